"""Java programs that some scorers are: started, ended and, where they do not come with a package, fetched."""
