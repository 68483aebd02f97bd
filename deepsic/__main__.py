"""`python -m deepsic` is the console command `deepsic`."""

from deepsic.commands import main

main()
