"""The report stage: everything that a run found, as one HTML page that opens without a network.

`settings` is what the page is told of the configuration, `words` puts that into words, `results`
reads the files of the other stages, `svg` and `blocks` are the parts that a section is made of,
`provenance` says what it ran on, and `page` puts all together.
"""
