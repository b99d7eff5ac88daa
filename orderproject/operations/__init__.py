"""The operations page of the admin: what runs now, and how it went in the last hours and days.

`figures` are pure; `sampling` keeps one row a minute; `now` and `history` read; `charts` and `format` say how it looks;
`page` has the views, and `orderproject.live` sends what changes to open pages. docs/operations/operations-page.md
"""
