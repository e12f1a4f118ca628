"""Lessons: Markdown files that drive the workbench, read, shown step by step and handed out.

Nothing here knows Streamlit; `trial.py` alone runs programs.

    shelf = lessons_in()                      all lessons, and what is wrong with the broken ones
    entry = shelf.find("graph")               one lesson, in its languages
    lesson = entry.told_in("zh_CN")           its Lesson; lesson.language says which one it is
    shown = state(lesson, 3)                  what step 3 shows: code, input, panes, selection ...
    code = shown.code                         a Code: source, inputs, script, trace, plain ...
    seen = look(shown, book)                  Look: selected, toggled, moment for a workbench Place,
                                              and a sentence for each place that is not in the run

    lesson.py      the records, and `state`
    read.py        a file's text -> Lesson, or LessonError with each mistake's file and line
    heads.py       ... its front matter
    steps.py       ... its steps
    fields.py      ... its YAML, with lines
    fences.py      ... codes and their inputs
    shows.py       ... show fences
    spots.py       ... the words of a PLACE ("op mul 2")
    images.py      ... the pictures in its texts
    translated.py  ... a translation against its original
    folder.py      folders of files -> Shelf
    places.py      a PLACE in a run: what to select and open, and when it was
    finding.py     ... each kind of it
    handout.py     a lesson with its runs -> one printable HTML
    pictures.py    ... what a step shows, drawn for paper
    codetext.py    ... Python with colours
    trial.py       all programs of a lesson in the sandbox -> its runs, and what is wrong
    __main__.py    for teachers: python -m inspector_app.teaching --run my-lesson.md
"""
