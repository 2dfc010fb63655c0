"""What the documentation says to type is what the command line takes; links and pictures lead somewhere."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from make_readme_table import updated
from module_lists import ROOT

from LesionKitCLI.main import build_parser, main

PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
WORDS = {"..."}  # what stands for something that a reader fills in
NAMES = {"NAME": "covid-convlstm"}  # placeholders where only certain words are taken
READY = (ROOT / "README.md", "## In the shell")  # whose commands run as printed after "make demo"


def command_lines(page: Path) -> list[str]:
    """Every command line of lesionkit on a page: in blocks, and in the text between backticks."""
    text = page.read_text(encoding="utf-8").replace("\\\n", " ")
    blocks = re.findall(r"^```\w*\n(.*?)^```", text, re.M | re.S)
    inline = re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```", "", text, flags=re.M | re.S))
    lines = [line.strip() for block in blocks for line in block.splitlines()] + inline
    found = [re.sub(r"^(?:\$ )?(?:\.venv/bin/)?", "", line) for line in lines]
    return [line.split(" #")[0].strip() for line in found if re.match(r"lesionkit(?: [-a-z]|$)", line)]


def arguments_of(line: str) -> list[str]:
    words = shlex.split(re.split("[>|;]", line)[0])
    return [NAMES.get(word, word) for word in words[1:] if word not in WORDS]


def all_commands() -> list[tuple[str, str]]:
    return [(page.relative_to(ROOT).as_posix(), line) for page in PAGES for line in dict.fromkeys(command_lines(page))]


@pytest.mark.parametrize(("page", "line"), all_commands())
def test_every_command_of_the_documentation_is_one_that_the_command_line_takes(page, line, capsys):
    arguments = arguments_of(line)
    try:
        build_parser().parse_args(arguments)
    except SystemExit as ended:
        message = capsys.readouterr().err
        is_name = "required" in message and len(arguments) <= 3  # names a command without giving all of it
        assert ended.code == 0 or is_name, f"{page}: {line}: {message}"


def ready_commands() -> list[str]:
    page, heading = READY
    section = page.read_text(encoding="utf-8").split(heading)[1].split("\n## ")[0]
    block = re.search(r"^```sh\n(.*?)^```", section, re.M | re.S)[1]
    return [line.split(" #")[0].strip() for line in block.splitlines() if line.startswith("lesionkit ")]


@pytest.fixture(scope="module")
def after_demo(tmp_path_factory):
    """A folder with what "make demo" leaves there, coarser, to be quick."""
    from CovidLungQuantLib.phantoms.chest import make_phantom
    from LesionKitCLI.demo import SAMPLE
    from LesionKitLib.io.images import write_volume

    folder = tmp_path_factory.mktemp("readme")
    (folder / "lesionkit-demo").mkdir()
    write_volume(folder / "lesionkit-demo" / SAMPLE, make_phantom(1, (1.6, 1.6, 6.0)).volume)
    return folder


def test_the_readme_s_commands_run_as_printed_after_make_demo(after_demo, monkeypatch, capsys):
    monkeypatch.chdir(after_demo)
    monkeypatch.delenv("LESIONKIT_MODELS", raising=False)
    lines = ready_commands()
    assert len(lines) >= 4
    for line in lines:
        assert main(arguments_of(line)) == 0, (line, capsys.readouterr().err)


def test_the_readme_s_python_runs_as_printed_after_make_demo(after_demo, monkeypatch):
    monkeypatch.chdir(after_demo)
    section = (ROOT / "README.md").read_text(encoding="utf-8").split("## In Python")[1]
    code = re.search(r"^```python\n(.*?)^```", section, re.M | re.S)[1]
    names: dict = {}
    exec(compile(code, "README.md", "exec"), names)
    assert names["result"].lesions.shape == names["result"].lungs.shape


def test_the_readme_s_table_holds_the_figures_of_the_bundled_models(monkeypatch):
    monkeypatch.delenv("LESIONKIT_MODELS", raising=False)
    page = (ROOT / "README.md").read_text(encoding="utf-8")
    assert updated(page) == page, "run .venv/bin/python Tools/make_readme_table.py"


def links(page: Path) -> list[str]:
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
    return [link for link in re.findall(r"\]\(([^)\s]+)\)", text) if not re.match(r"https?:|mailto:", link)]


def anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ +(.+)$", page.read_text(encoding="utf-8"), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_link_and_picture_of_a_page_leads_somewhere(page):
    for link in links(page):
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        assert target.exists(), link
        if anchor and target.suffix == ".md":
            assert anchor in anchors(target), link


def test_every_source_file_that_a_page_names_is_there():
    folders = ("LesionKit", "CovidLungQuant", "StrokeSynth", "BodyPartRouter", "Applications", "Research", "Testing")
    files = [path for folder in (*folders, "Tools", "requirements") for path in (ROOT / folder).rglob("*.*")]
    there = [f"/{path.relative_to(ROOT).as_posix()}" for path in (*files, *ROOT.iterdir())]
    lost = []
    for page in PAGES:
        if page.name != "CHANGELOG.md":  # which tells of versions that are past
            text = page.read_text(encoding="utf-8")
            named = re.findall(r"`([\w./-]+\.(?:py|sh|toml|ui))(?: [^`]*)?`", text)
            lost += [(page.name, name) for name in named if not any(path.endswith(f"/{name}") for path in there)]
    assert lost == []


def test_every_page_of_docs_is_in_its_index():
    index = ROOT / "docs" / "README.md"
    named = {(index.parent / link.partition("#")[0]).resolve() for link in links(index)}
    pages = {page.resolve() for page in PAGES if (ROOT / "docs") in page.parents and page != index}
    assert pages <= named
