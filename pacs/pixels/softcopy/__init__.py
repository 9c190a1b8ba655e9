"""Softcopy presentation states: a look of an image that a reader stored (PS3.3 §A.33, PS3.4 Annex N).

`references`: which images; `tones`: from stored values to grey; `shutters`: what is hidden; `geometry`:
which part is shown, and how it is turned; `graphics` and `drawing`: marks and words on it; `inks`: their grey
or colour; `render`: all of them in the order of PS3.4 §N.2; `stored`: a state on its way to a worker.

A state replaces what the image says of itself: where the state is silent, the transformation is the identity.
A state that asks for what is not done here, or says it unclearly, is refused, as its picture would mislead.
"""
