from vlhyper.cli import main

main()
