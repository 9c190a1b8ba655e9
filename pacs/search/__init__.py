"""What is searched for, whichever protocol asks (PS3.4 §C.2.2.2).

`parser` makes a `query` of an identifier or a URL, and `values` the test of each of its keys. `matching` is
the form in which stored values and keys are compared: `moments` for dates and times, `text` for words and
names, `syllables` for scripts that write sounds.
"""
