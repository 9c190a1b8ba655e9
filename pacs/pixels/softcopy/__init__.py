"""Softcopy presentation states: how a reader chose to show an image (PS3.3 §A.33, PS3.4 Annex N).

`references`: which images; `tones`: from stored values to grey; `shutters`: what is hidden; `geometry`:
which part is shown, and how it is turned; `graphics` and `drawing`: marks and words on it; `inks`: their grey
or colour; `render`: all of them in the order of PS3.4 §N.2; `stored`: a state on its way to a worker.

A state overrides what the image says about itself; where the state is silent, the transformation is the
identity. A state that is ambiguous, or needs what is not supported, is refused: its picture would mislead.
"""
