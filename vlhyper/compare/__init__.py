"""Methods against each other in the miniature world: the same data, the same steps, a learning rate chosen for each."""
