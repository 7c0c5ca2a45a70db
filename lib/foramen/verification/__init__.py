"""Does a repetition say what the committed report says? `foramen verify` compares the two, claim by claim.

`claims` takes tables and numbers; `step` finds the two reports of a study and keeps the verdict beside them.
"""
