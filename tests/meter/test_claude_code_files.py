"""Transcripts as files: read on from where the last reading stopped, or anew when that place is no longer there."""

import os
import random
import socket
from pathlib import Path

import pytest

from meter.logs.claude_code import FileState, Problem, Reader, transcript_roots, walk
from transcripts import (
    MACHINE,
    PROJECT,
    answer,
    line,
    lines,
    message_id,
    nobody,
    progress,
    read,
    reasons,
    usage,
)


class Growing:
    """A transcript and one reader's memory of it: calls so far, with the fullest counts."""

    def __init__(self, path: Path) -> None:
        self.path, self.state, self.outputs, self.problems = path, None, {}, []
        self.bytes_read = 0

    def add(self, content: bytes) -> None:
        with self.path.open("ab") as file:
            file.write(content)
        self.sync()

    def replace(self, content: bytes) -> None:
        """Put another file in place of this one, as editors do."""
        draft = self.path.with_suffix(".draft")
        draft.write_bytes(content)
        draft.replace(self.path)
        self.sync()

    def sync(self) -> None:
        reading = read(self.path, self.state)
        self.state = reading.states[0]
        self.problems += reasons(reading)
        self.bytes_read += reading.bytes_read
        for key, call in reading.calls.items():
            self.outputs[key] = max(call.counts[1], self.outputs.get(key, 0))


@pytest.fixture
def growing(tmp_path):
    return Growing(tmp_path / "transcript.jsonl")


def out(name, output):
    return answer(name, output / 1000, message={"usage": usage(output_tokens=output)})


def expected(**outputs):
    return {message_id(name): output for name, output in outputs.items()}


def test_a_cut_last_line_waits_for_its_rest(growing):
    whole = line(out("b", 7))
    growing.add(lines(out("a", 5)) + whole[:100])
    assert growing.outputs == expected(a=5)
    assert growing.state.offset_bytes == len(lines(out("a", 5)))
    growing.add(whole[100:] + b"\n")
    assert growing.outputs == expected(a=5, b=7)
    assert (growing.problems, growing.state.lines_skipped) == ([], 0)


def test_a_whole_last_line_without_its_end_counts_at_once(growing):
    growing.add(line(out("a", 5)))
    assert growing.outputs == expected(a=5)
    growing.add(b"\n" + line(out("a", 9)))
    growing.add(b"\n")
    assert growing.outputs == expected(a=9)


def test_a_bad_last_line_without_its_end_is_reported_and_located_and_counted_once(growing):
    growing.add(lines(out("a", 5)) + line(answer("b", timestamp="never")))
    assert growing.problems == [(2, "no usable timestamp")]
    growing.add(b"\n")
    growing.add(lines(out("c", 6)))
    assert growing.outputs == expected(a=5, c=6)
    assert set(growing.problems) == {(2, "no usable timestamp")}
    assert growing.state.lines_skipped == 1


def test_every_point_of_growth_gives_the_same_calls(growing):
    """One byte after the other, read after each."""
    content = lines(out("a", 5), out("a", 9), progress(out("b", 4)), b"", out("c", 1)) + line(out("d", 2))
    for at in range(len(content)):
        growing.add(content[at : at + 1])
    assert growing.outputs == expected(a=9, b=4, c=1, d=2)
    assert (growing.problems, growing.state.lines_skipped) == ([], 0)


def test_growth_in_random_steps_reads_only_what_is_new(growing):
    rng = random.Random(3)
    content = lines(*(out(number % 40, number) for number in range(1, 400)))
    at = 0
    while at < len(content):
        step = rng.choice((1, 50, 2000, 9000))
        growing.add(content[at : at + step])
        at += step
    assert sum(growing.outputs.values()) == sum(range(360, 400))
    assert growing.bytes_read < 1.5 * len(content)


def test_lines_longer_than_one_reading_are_put_together(growing):
    long = answer("long", message={"content": "x" * 700_000, "usage": usage(output_tokens=3)})
    growing.add(lines(out("a", 5), long, out("b", 6), long, out("c", 7)))
    assert growing.outputs == expected(a=5, long=3, b=6, c=7)


def test_forked_lines_before_a_line_that_needs_more_room_are_read(growing):
    """A decoded line may look into the buffer, which cannot grow as long as somebody does."""
    forked = [{**out(number, 5), "forkedFrom": {"sessionId": "x", "messageUuid": "y"}} for number in range(400)]
    long = answer("long", message={"content": "x" * 1_500_000, "usage": usage(output_tokens=3)})
    growing.add(lines(*forked, {**long, "forkedFrom": {"sessionId": "x"}}, *forked))
    assert growing.outputs == {**{message_id(number): 5 for number in range(400)}, message_id("long"): 3}


def test_a_line_beyond_the_cap_still_being_written_is_passed_over_as_one(growing):
    long = answer("long", message={"content": "x" * (24 << 20)})
    raw = line(long)
    growing.add(lines(out("a", 5)) + raw[: 20 << 20])
    growing.add(raw[20 << 20 :] + b"\n" + lines(out("b", 6)))
    assert growing.outputs == expected(a=5, b=6)
    assert growing.problems == [(2, "line longer than 10 MB")]


def test_line_numbers_count_from_the_start_of_the_file(growing):
    growing.add(lines(out("a", 5), out("b", 5)))
    growing.add(lines(out("c", 5), b"rubbish"))
    assert growing.problems == [(4, "not JSON")]


def test_the_skipped_lines_of_a_file_add_up_while_it_grows(growing):
    growing.add(lines(b"rubbish"))
    growing.add(lines(out("a", 5), b"rubbish"))
    assert growing.state.lines_skipped == 2


def test_a_shrunk_file_is_read_anew(growing):
    growing.add(lines(out("a", 5), out("b", 6), out("c", 7)))
    growing.path.write_bytes(lines(out("a", 5), out("d", 8)))
    growing.sync()
    assert growing.outputs == expected(a=5, b=6, c=7, d=8)


def test_a_file_cut_short_and_grown_between_two_readings_is_read_anew(growing):
    growing.add(lines(out("a", 5), out("b", 6)))
    growing.path.write_bytes(lines(out("c", 7), out("d", 8), out("e", 9)))
    growing.sync()
    assert growing.outputs == expected(a=5, b=6, c=7, d=8, e=9)


def test_other_content_of_the_same_size_is_read_anew(growing):
    growing.add(lines(out("a", 5)))
    growing.replace(lines(out("b", 5)))
    assert growing.outputs == expected(a=5, b=5)


def test_a_larger_file_with_the_same_beginning_put_in_its_place_is_read_anew(growing):
    first = answer("a", message={"content": "x" * 2000, "usage": usage(output_tokens=5)})
    growing.add(lines(first, out("b", 6)))
    growing.replace(lines(first, out("c", 7), out("d", 8), out("e", 9)))
    assert growing.outputs == expected(a=5, b=6, c=7, d=8, e=9)


def test_a_file_rewritten_in_place_behind_its_beginning_is_read_anew(growing):
    first = answer("a", message={"content": "x" * 2000, "usage": usage(output_tokens=5)})
    growing.add(lines(first, out("b", 6)))
    growing.path.write_bytes(lines(first, out("c", 7), out("d", 8), out("e", 9)))
    growing.sync()
    assert growing.outputs == expected(a=5, b=6, c=7, d=8, e=9)


def test_an_offset_beyond_the_file_is_not_believed(tmp_path):
    path = tmp_path / "transcript.jsonl"
    path.write_bytes(lines(out("a", 5)))
    head = read(path).states[0].head_hash
    state = FileState(str(path), size_bytes=10, inode=path.stat().st_ino, offset_bytes=10_000, head_hash=head)
    assert read(path, state).calls.keys() == {message_id("a")}


def test_one_reader_reads_many_files_and_keeps_copies_apart_from_new_calls(tmp_path):
    reader = Reader(MACHINE)
    for number in range(3):
        path = tmp_path / f"{number}.jsonl"
        path.write_bytes(lines(out("shared", number + 1), out(number, 5)) + line(out("last", 9))[:-3])
        reader.read_file(str(path), PROJECT, None)
    reading = reader.take()
    assert {key: call.counts[1] for key, call in reading.calls.items()} == {
        message_id("shared"): 3,
        **{message_id(number): 5 for number in range(3)},
    }
    assert (reader.take().calls, len(reading.states)) == ({}, 3)


def found(root):
    """Relative paths with their project, and problems, of a walk."""
    files, problems = {}, {}
    for each in walk(root):
        if isinstance(each, Problem):
            assert each.line == 0
            problems[os.path.relpath(each.path, root)] = each.reason
        else:
            files[os.path.relpath(each[0], root)] = each[1]
    return files, problems


def put(root, name, content=b"{}\n"):
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def test_every_transcript_below_the_root_is_found_with_its_project(tree):
    for name in (
        "-p/a.jsonl",
        "-p/a/subagents/agent-1.jsonl",
        "-q/b.jsonl",
        "-q/.hidden.jsonl",
        "top.jsonl",
        "-q/x.json",
    ):
        put(tree, name)
    files, problems = found(tree)
    assert files == {
        "-p/a.jsonl": "-p",
        "-p/a/subagents/agent-1.jsonl": "-p",
        "-q/b.jsonl": "-q",
        "-q/.hidden.jsonl": "-q",
        "top.jsonl": tree.name,
    }
    assert problems == {}


def test_a_fifo_a_socket_and_a_device_are_problems_and_nothing_hangs(tree):
    os.mkfifo(tree / "fifo.jsonl")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tree / "socket.jsonl"))
    put(tree, "-p/a.jsonl")
    files, problems = found(tree)
    assert files == {"-p/a.jsonl": "-p"}
    assert problems == {"fifo.jsonl": "not a regular file", "socket.jsonl": "not a regular file"}
    for special in (tree / "fifo.jsonl", Path("/dev/null"), Path("/dev/zero")):
        assert reasons(read(special)) == [(0, "not a regular file")]


def test_a_link_within_the_root_is_nothing_and_one_out_of_it_is_a_problem(tree):
    root = tree / "projects"
    put(root, "-p/a.jsonl")
    put(tree, "secret.jsonl", lines(out("secret", 5)))
    put(tree, "secrets/b.jsonl")
    put(tree, "plain.txt")
    links = {
        "-p/again.jsonl": root / "-p/a.jsonl",
        "-p/loop": root,
        "-p/out.jsonl": tree / "secret.jsonl",
        "-p/dir": tree / "secrets",
        "-p/beside.jsonl": Path(f"{root}-beside"),
        "-p/gone.jsonl": tree / "gone",
        "-p/plain": tree / "plain.txt",
        "-p/climb.jsonl": Path("../../secret.jsonl"),
    }
    for name, target in links.items():
        (root / name).symlink_to(target)
    files, problems = found(root)
    assert files == {"-p/a.jsonl": "-p"}
    assert problems.keys() == {"-p/out.jsonl", "-p/dir", "-p/beside.jsonl", "-p/gone.jsonl", "-p/climb.jsonl"}
    assert read(root / "-p/out.jsonl").calls == {}


def test_a_root_that_is_a_link_is_followed(tree, monkeypatch):
    put(tree, "real/projects/-p/a.jsonl")
    (tree / "real/projects/-p/again.jsonl").symlink_to(tree / "real/projects/-p/a.jsonl")
    (tree / "link").symlink_to(tree / "real")
    (root,) = transcript_roots((tree / "link",), {})
    assert found(root) == ({"-p/a.jsonl": "-p"}, {})
    assert found(tree / "link/projects") == ({"-p/a.jsonl": "-p"}, {})


def test_an_unreadable_folder_and_file_are_problems_of_their_own(tree):
    put(tree, "-p/a.jsonl", lines(out("a", 5)))
    put(tree, "closed/b.jsonl")
    put(tree, "-p/closed.jsonl")
    (tree / "closed").chmod(0)
    (tree / "-p/closed.jsonl").chmod(0)
    with nobody():
        files, problems = found(tree)
        refused = read(tree / "-p/closed.jsonl")
    (tree / "closed").chmod(0o755)
    assert files.keys() == {"-p/a.jsonl", "-p/closed.jsonl"}
    assert problems == {"closed": "Permission denied"}
    assert reasons(refused) == [(0, "Permission denied")]
    assert refused.states == []


def test_a_file_that_vanished_before_it_was_read_is_a_problem(tree):
    reading = read(tree / "gone.jsonl")
    assert reasons(reading) == [(0, "No such file or directory")]


def test_a_folder_that_looks_like_a_transcript_is_a_folder(tree):
    put(tree, "-p/odd.jsonl/a.jsonl")
    assert found(tree) == ({"-p/odd.jsonl/a.jsonl": "-p"}, {})


def test_roots_are_the_usual_folders_unless_something_else_is_said(tree, monkeypatch):
    monkeypatch.setenv("HOME", str(tree))
    assert transcript_roots((), {}) == [tree / ".claude", tree / ".config/claude"]
    put(tree, ".claude/projects/-p/a.jsonl")
    assert transcript_roots((), {}) == [tree / ".claude/projects", tree / ".config/claude"]
    put(tree, "other/projects/-p/a.jsonl")
    config = {"CLAUDE_CONFIG_DIR": f" {tree}/other , ~/.claude,"}
    assert transcript_roots((), config) == [tree / "other/projects", tree / ".claude/projects"]
    assert transcript_roots((tree / "other", tree / "other/projects"), config) == [tree / "other/projects"]


def test_a_root_within_another_one_is_read_once(tree):
    put(tree, "projects/-p/a.jsonl")
    inner, outer = tree / "projects/-p", tree / "projects"
    for roots in ((inner, outer), (outer, inner), (tree, inner), (inner, outer, inner)):
        assert transcript_roots(roots, {}) == [outer]
    (tree / "projects-more").mkdir()
    assert transcript_roots((outer, tree / "projects-more"), {}) == [outer, tree / "projects-more"]
