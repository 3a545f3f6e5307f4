"""The commands of the command line, one for each stage. They import lazily, to start fast."""
