"""The Dockerfile reader: a table of what Docker understands, and texts that mean harm."""

import string
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deployments.pipeline.dockerfile import Dockerfile, DockerfileError, Port, read


def ports(text: str, **build_args: str) -> tuple[int, ...]:
    return read(text, build_args=build_args).exposed_ports


PORTS = {
    "plain": ("FROM a\nEXPOSE 8000", (8000,)),
    "several": ("FROM a\nEXPOSE 80 443/tcp 53/udp", (80, 443)),
    "range": ("FROM a\nEXPOSE 8000-8003", (8000, 8001, 8002, 8003)),
    "lower case": ("from a\nexpose 80", (80,)),
    "twice is once": ("FROM a\nEXPOSE 80\nEXPOSE 80", (80,)),
    "from ENV": ("FROM a\nENV PORT=9000\nEXPOSE ${PORT}", (9000,)),
    "from ENV, old form": ("FROM a\nENV PORT 9000\nEXPOSE $PORT", (9000,)),
    "from ARG": ("FROM a\nARG PORT=9001\nEXPOSE $PORT", (9001,)),
    "ARG before FROM, declared again": ("ARG PORT=9002\nFROM a\nARG PORT\nEXPOSE $PORT", (9002,)),
    "ARG before FROM, not declared again": ("ARG PORT=9002\nFROM a\nEXPOSE $PORT", ()),
    "ENV wins over ARG": ("FROM a\nARG P=1\nENV P=2\nEXPOSE $P", (2,)),
    "default": ("FROM a\nEXPOSE ${PORT:-8080}", (8080,)),
    "default of an empty one": ("FROM a\nENV PORT=\nEXPOSE ${PORT:-8080}", (8080,)),
    "alternative": ("FROM a\nENV TLS=1\nEXPOSE ${TLS:+443} ${NO:+80}", (443,)),
    "nested": ("FROM a\nENV B=81\nEXPOSE ${A:-${B}}", (81,)),
    "several in one variable": ('FROM a\nENV P="80 81"\nEXPOSE $P', (80, 81)),
    "inside a heredoc": ("FROM a\nRUN <<EOF\nEXPOSE 1\nFROM b\nEOF\nEXPOSE 80", (80,)),
    "inside a heredoc without tabs": ("FROM a\nRUN <<-EOF\n\tEXPOSE 1\n\tEOF\nEXPOSE 80", (80,)),
    "two heredocs": ("FROM a\nCOPY <<A <<B /x/\nEXPOSE 1\nA\nEXPOSE 2\nB\nEXPOSE 80", (80,)),
    "a shift is no heredoc": ("FROM a\nRUN echo $((1<<2)) '<<EOF' <<<x\nEXPOSE 80", (80,)),
    "in a comment": ("FROM a\n# EXPOSE 1\n   # EXPOSE 2\nEXPOSE 80", (80,)),
    "comment inside a continuation": ("FROM a\nEXPOSE 80 \\\n# no\n\n   # no\n  81", (80, 81)),
    "escape directive": ("# escape=`\nFROM a\nEXPOSE 80 `\n 81", (80, 81)),
    "escape directive after a comment counts for nothing": ("# hi\n# escape=`\nFROM a\nEXPOSE 80", (80,)),
    "only the final stage": ("FROM a\nEXPOSE 1\nFROM b\nEXPOSE 80", (80,)),
    "inherited from an earlier stage": ("FROM a AS one\nEXPOSE 1\nFROM one\nEXPOSE 80", (1, 80)),
    "windows line ends": ("FROM a\r\nEXPOSE 80 \\\r\n 81\r\n", (80, 81)),
    "byte order mark": ("\ufeffFROM a\nEXPOSE 80", (80,)),
    "none": ("FROM a", ()),
}


@pytest.mark.parametrize(("text", "expected"), PORTS.values(), ids=PORTS)
def test_exposed_ports(text: str, expected: tuple[int, ...]) -> None:
    assert ports(text) == expected


def test_a_build_argument_wins_over_the_default_only_where_it_is_declared() -> None:
    assert ports("FROM a\nARG PORT=1\nEXPOSE $PORT", PORT="80") == (80,)
    assert ports("FROM a\nEXPOSE $PORT", PORT="80") == ()


def test_udp_ports_are_kept_apart() -> None:
    assert read("FROM a\nEXPOSE 53/udp").final_stage.exposed == (Port(53, "udp"),)


EXPANSIONS = {
    "$A": "one", "${A}": "one", "x${A}y": "xoney", "$AB": "", "$A-B": "one-B", "\\$A": "$A",
    '"$A b"': "one b", "'$A'": "$A", '"a\\"b"': 'a"b', "a\\ b": "a b", "${A:-x}": "one", "${Z:-x}": "x",
    "${Z-x}": "x", "${E-x}": "", "${E:-x}": "x", "${A:+x}": "x", "${E:+x}": "", "${E+x}": "x", "${Z+x}": "",
    "${Z:-$A}": "one", "${Z:-${Z:-${A}}}": "one", "${A:?no}": "one", "$": "$", "a$": "a$", "${F%.*}": "a.tar",
    "${F%%.*}": "a", "${F#*.}": "tar.gz", "${F##*.}": "gz", "${F/a/b}": "b.tar.gz", "${F//a/b}": "b.tbr.gz",
}  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), EXPANSIONS.items())
def test_expansion(text: str, expected: str) -> None:
    stage = read(f"FROM a\nENV A=one E= F=a.tar.gz\nENV X={text}").final_stage
    assert stage.env["X"] == expected


def test_all_values_of_one_env_line_see_what_was_before() -> None:
    assert read("FROM a\nENV A=1\nENV A=2 B=$A").final_stage.env["B"] == "1"


def test_path_can_be_extended() -> None:
    env = read("FROM a\nENV PATH=/opt/venv/bin:$PATH").final_stage.env
    assert env["PATH"].startswith("/opt/venv/bin:/usr/local/bin:")


FULL = """\
# syntax=docker/dockerfile:1
ARG VERSION=3.11
FROM --platform=$BUILDPLATFORM python:${VERSION}-slim AS Builder
WORKDIR /build
COPY requirements.txt .
RUN pip install --prefix=/install \\
    # why not
    -r requirements.txt

FROM node AS unused
FROM python:${VERSION}-slim
WORKDIR /app
WORKDIR data/..
COPY --from=builder --chown=app:app /install /usr/local
COPY ["a file.txt", "/app/"]
RUN --mount=type=cache,target=/root/.cache <<EOF
pip list
EOF
COPY <<'END' /app/config.ini
[x]
a = $NOT
END
VOLUME ["/data"]
LABEL team="data science" "a b"=c
USER app
SHELL ["/bin/bash", "-c"]
STOPSIGNAL SIGINT
HEALTHCHECK --interval=30s CMD curl -f http://localhost/ || exit 1
ONBUILD RUN echo hello
ENTRYPOINT ["python", "-m"]
CMD ["app"]
"""


@pytest.fixture
def full() -> Dockerfile:
    return read(FULL)


def test_stages_have_base_name_and_line(full: Dockerfile) -> None:
    assert [(stage.base, stage.name, stage.line) for stage in full.stages] == [
        ("python:3.11-slim", "builder", 3),
        ("node", "unused", 10),
        ("python:3.11-slim", "", 11),
    ]
    assert full.base_image == "python:3.11-slim"
    assert full.final_stage.number == 2


def test_only_stages_that_the_final_one_takes_from_are_needed(full: Dockerfile) -> None:
    assert [stage.number for stage in full.needed_stages()] == [0, 2]


def test_what_the_image_would_say(full: Dockerfile) -> None:
    stage = full.final_stage
    assert stage.workdir == "/app"
    assert stage.user == "app"
    assert stage.entrypoint and stage.entrypoint.words == ("python", "-m")
    assert stage.command and stage.command.words == ("app",) and not stage.command.shell
    assert stage.healthcheck and stage.healthcheck.shell and stage.healthcheck.words[0].startswith("curl")
    assert stage.labels == {"team": "data science", "a b": "c"}
    assert (stage.shell, stage.stop_signal, stage.volumes) == (("/bin/bash", "-c"), "SIGINT", ("/data",))
    assert stage.onbuild == ("RUN echo hello",)


def test_instructions_have_lines_flags_words_and_heredocs(full: Dockerfile) -> None:
    by_line = {instruction.line: instruction for instruction in full.final_stage.instructions}
    assert by_line[14].flag("from") == "builder" and by_line[14].flag("chown") == "app:app"
    assert by_line[15].words == ("a file.txt", "/app/")
    assert by_line[16].heredocs[0].content == "pip list\n" and by_line[16].heredocs[0].expand
    assert by_line[19].heredocs[0].content == "[x]\na = $NOT\n" and not by_line[19].heredocs[0].expand
    run = full.stages[0].instructions[-1]
    assert run.text.split() == ["pip", "install", "--prefix=/install", "-r", "requirements.txt"]
    assert run.surroundings.workdir == "/build"


def test_a_new_entrypoint_forgets_the_command_of_its_base() -> None:
    text = 'FROM x AS a\nCMD ["old"]\nFROM a\nENTRYPOINT ["new"]'
    assert read(text).final_stage.command is None
    assert read(text + '\nCMD ["own"]').final_stage.command


def test_a_command_that_is_no_json_is_for_the_shell() -> None:
    command = read("FROM a\nCMD ['python', 'app.py']").final_stage.command
    assert command and command.shell


def test_a_stage_is_found_by_name_and_by_number() -> None:
    file = read("FROM x AS One\nFROM y\nFROM z")
    assert file.find_stage("ONE", before=2) is file.stages[0]
    assert file.find_stage("1", before=2) is file.stages[1]
    assert file.find_stage("2", before=2) is None
    assert file.find_stage("nginx", before=2) is None


ERRORS = {
    "": (1, "no FROM"),
    "# only a comment": (1, "no FROM"),
    "RUN x": (1, "before the first FROM"),
    "FROM a\n\nFOO bar": (3, "no instruction"),
    "FROM a\0": (1, "NUL"),
    "FROM": (1, "FROM must read"),
    "FROM a b": (1, "FROM must read"),
    "FROM $NOTHING": (1, "is empty"),
    "FROM a\nRUN": (2, "needs an argument"),
    "FROM a\nRUN <<EOF\nx": (2, "never ended"),
    "FROM a\nEXPOSE http": (2, "no port"),
    "FROM a\nEXPOSE 8080:80": (2, "no port"),
    "FROM a\nEXPOSE 70000": (2, "no port"),
    "FROM a\nEXPOSE 1-65535": (2, "more than"),
    "FROM a\nENV A": (2, "no value"),
    "FROM a\nENV A=1 B": (2, "name=value"),
    "FROM a\nENV 1A=1": (2, "no name"),
    "FROM a\nENV A='x": (2, "single quote"),
    'FROM a\nENV A="x': (2, "double quote"),
    "FROM a\nENV A=${x": (2, "never closed"),
    "FROM a\nENV A=${}": (2, "names no variable"),
    "FROM a\nENV A=${x!y}": (2, "not known"),
    "FROM a\nENV A=${x:?needed}": (2, "needed"),
    "FROM a\nCOPY x": (2, "source and a destination"),
    "FROM a\nSHELL /bin/bash": (2, "JSON"),
    "FROM a\nHEALTHCHECK curl": (2, "HEALTHCHECK"),
    "FROM a\nONBUILD FROM b": (2, "ONBUILD"),
    "FROM a AS 1x": (1, "no name for a stage"),
    "# escape=x\nFROM a": (1, "escape"),
}


@pytest.mark.parametrize(("text", "expected"), ERRORS.items())
def test_what_cannot_be_read_names_the_line(text: str, expected: tuple[int, str]) -> None:
    with pytest.raises(DockerfileError) as caught:
        read(text)
    assert caught.value.line == expected[0]
    assert expected[1] in caught.value.message


BOMBS = {
    "ten megabytes": "FROM a\n" + "RUN x\n" * 1_700_000,
    "one long line": "FROM a\nRUN " + "x" * 10_000_000,
    "doubling": "FROM a\nENV A=0123456789\n" + "ENV A=$A$A$A$A\n" * 40,
    "nesting": "FROM a\nENV A=" + "${x:-" * 5000 + "}" * 5000,
    "flags": "FROM a\nRUN " + "--a " * 250_000,
    "variables": "FROM a\n" + "\n".join(f"ENV A{n}={n}" for n in range(4000)),
    "stages": "FROM a AS s\n" * 20_000,
    "cutting": "FROM a\nENV A=" + "a" * 10_000 + "\nENV B=${A%%*a*a*a*a*b}",
}


@pytest.mark.parametrize("text", BOMBS.values(), ids=BOMBS)
def test_a_bomb_is_refused_soon(text: str) -> None:
    began = time.monotonic()
    with pytest.raises(DockerfileError):
        read(text)
    assert time.monotonic() - began < 5


ALPHABET = string.ascii_letters + "$${}::-+'\"\\\\ \n\n\t#<=`[],/*%\0\r0"
LINES = st.sampled_from(
    ["FROM a", "FROM a AS b", "FROM b", "ARG X=1", "ENV X=$X${Y:-z} Z='q'", "RUN <<A <<-B", "A", "\tB", "EXPOSE $X",
     "COPY --from=b . /x", "COPY <<A /y", "CMD [", 'CMD ["x"]', "# escape=`", "USER $X \\", "ONBUILD RUN x", "SHELL []"]
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(st.lists(st.one_of(LINES, st.text(ALPHABET, max_size=40), st.text(max_size=20)), max_size=12))
def test_any_text_is_read_or_refused_with_a_line_of_the_file(lines: list[str]) -> None:
    text = "\n".join(lines)
    try:
        file = read(text)
    except DockerfileError as error:
        assert 1 <= error.line <= text.count("\n") + 1
    else:
        assert file.base_image
        assert all(0 < port < 65536 for port in file.exposed_ports)
        assert file.final_stage in file.needed_stages()


@given(st.text(string.printable.replace("\r", ""), max_size=60))
def test_a_quoted_heredoc_is_kept_byte_for_byte(content: str) -> None:
    if "\nEOF\n" in f"\n{content}\n":
        return
    file = read(f"FROM a\nCOPY <<'EOF' /x\n{content}\nEOF\n")
    assert file.final_stage.instructions[0].heredocs[0].content == content + "\n"
