"""Keeping an archive sound while it runs.

What goes: `sweep` removes unreferenced blobs, `history` old tasks and changes, `tidying` cached files.
What is checked: `verify` compares the index with the blobs, `recognition` that the store is this index's, by
its `mark` or some of its objects. What is repaired: `reconcile` cleans up after a crash, `set_back`
after a clock that was wrong, `rekey` renews the keys that searches compare, `tallies` corrects what an
organisation is said to hold, `whose` what studies say of their patient.
"""
