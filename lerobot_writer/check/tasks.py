"""`meta/tasks.parquet` and `meta/tasks.jsonl`: rules T1 and T2."""

from __future__ import annotations

from lerobot_writer.check.episodes import null_count, type_text
from lerobot_writer.check.files import TASK_LINES, TASKS, Tree
from lerobot_writer.check.reading import ParquetRows, Unreadable, parse_json, read_text, shown
from lerobot_writer.check.report import Report

_COLUMNS = {"task_index": "int64", "task": "string"}


def check_tasks(tree: Tree, report: Report) -> list[str] | None:
    """Checks T1 and T2. Returns the task texts in the order of the rows, None if they do not read."""
    texts = None
    if TASKS not in tree:
        report.skip(("T1",), f"{TASKS} is missing")
    else:
        try:
            texts = _check_table(tree, report)
            report.ran("T1")
        except Unreadable as error:
            report.add("T1", TASKS, "a parquet file of tasks", str(error))
            report.skip(("T1",), f"{TASKS} does not read")
    if TASK_LINES not in tree:
        report.skip(("T2",), f"{TASK_LINES} is missing")
    elif texts is None:
        report.skip(("T2",), f"{TASKS} does not read, so there is nothing to compare with")
    else:
        _check_lines(tree, texts, report)
        report.ran("T2")
    return texts


def _check_table(tree: Tree, report: Report) -> list[str]:
    with ParquetRows(tree.root / TASKS) as rows:
        types = {field.name: type_text(field.type) for field in rows.schema}
        if list(rows.schema.names) != list(_COLUMNS) or types != _COLUMNS:
            report.add("T1", TASKS, f"the columns {shown(_COLUMNS)}", shown(types))
        try:
            pandas = rows.json_metadata("pandas")
        except Unreadable as error:
            report.add("T1", TASKS, "schema metadata for pandas", str(error))
        else:
            index_columns = pandas.get("index_columns") if isinstance(pandas, dict) else None
            if index_columns != ["task"]:
                report.add("T1", TASKS, 'index_columns ["task"] in the metadata for pandas', shown(index_columns))
        index, texts = rows.column("task_index"), rows.column("task")
        if null_count(index) or null_count(texts):
            raise Unreadable("it holds nulls")
        if types != _COLUMNS:
            raise Unreadable(f"its columns are {shown(types)}")
        if index.to_pylist() != list(range(rows.num_rows)):
            report.add("T1", TASKS, "task_index 0, 1, 2, ...", shown(index.to_pylist()))
        found: list[str] = texts.to_pylist()
    if "" in found:
        report.add("T1", TASKS, "texts that are not empty", f"an empty one in row {found.index('')}")
    repeated = sorted({text for text in found if found.count(text) > 1})
    if repeated:
        report.add("T1", TASKS, "distinct texts", f"more than once: {shown(repeated)}")
    return found


def _check_lines(tree: Tree, texts: list[str], report: Report) -> None:
    """Compares every line with its row of the table."""
    try:
        lines = read_text(tree.root / TASK_LINES).split("\n")
    except Unreadable as error:
        report.add("T2", TASK_LINES, "lines of JSON", str(error))
        return
    if lines[-1] == "":
        lines.pop()
    if len(lines) != len(texts):
        report.add("T2", TASK_LINES, f"{len(texts)} lines, as {TASKS} has rows", str(len(lines)))
    for row, (line, text) in enumerate(zip(lines, texts, strict=False)):
        expected = {"task_index": row, "task": text}
        try:
            found = parse_json(line)
        except Unreadable as error:
            found = str(error)
        if found != expected:
            report.add("T2", TASK_LINES, f"line {row + 1} {shown(expected)}", shown(found))
