"""`conche top`: everything on one screen, and commands by a key, for whoever operates the telescope.

`main` connects it; the picture is that of `conche status --watch` (`conche.cli.watch.live`). What is shown is worked
out without any screen: `view` and `items` choose and sort; `lines`, `head`, `detail`, `eventlog` and `sent` put into
words; `wishes` says what a command would do, `arrangement` who has which part of the screen. `app` takes the keys,
`dialogs` asks, `dispatch` sends, and `painting` draws on `surfaces`: plain lines, of which only those are drawn that
have changed. (Textual's DataTable measures all of its rows whenever they come in another order, 0.2 s for a thousand,
so the table is lines too.)
"""
