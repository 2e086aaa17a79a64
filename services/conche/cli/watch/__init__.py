"""`conche status --watch`: a status that stays and shows every change.

`feed` brings what the broker says, `live` keeps the picture of it, and the rest shows that: `frame` on a `screen`, or
`changes` as `lines`.
"""
