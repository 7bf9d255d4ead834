"""What makes a page's test fail, and what is told then."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from .blocks import blocks_of
from .reader import Reader


def follow(folder: Path, text: str) -> None:
    page = folder / "page.md"
    page.write_text(text)
    work = folder / "work"
    work.mkdir()
    with Reader(work, dict(os.environ)) as reader:
        for block in blocks_of(page, "page.md"):
            reader.follow(block)


def test_a_page_is_followed_from_top_to_bottom(tmp_path: Path) -> None:
    follow(
        tmp_path,
        """
```json title="settings/one.json"
{"a": 1}
```
- in a list, too:

    ```bash
    export ANIMAL=otter
    cp settings/one.json two.json
    ```

<!-- stays running -->
```bash
echo $$ >pid; exec sleep 300
```

```python
import json, os
from pathlib import Path
print("nobody reads this")
animal = os.environ["ANIMAL"]
```

```python
Path("result").write_text(animal + str(json.loads(Path("two.json").read_text())["a"]))
```

<!-- not run: there is no such machine -->
```bash
sbatch train.slurm
```
""",
    )
    assert (tmp_path / "work/result").read_text() == "otter1"
    process = (tmp_path / "work/pid").read_text().strip()
    assert not Path("/proc", process).exists()


@pytest.mark.parametrize(
    ("block", "words"),
    [
        ("```bash\nfalse\ntrue\n```", "page.md:2: status 1"),
        ("```bash\necho gone; no-such-program | cat\n```", "no-such-program"),
        ("```bash\necho 'open\n```", "page.md:2"),
        ("<!-- not run: a cluster -->\n```bash\nif true; then\n```", "page.md:3"),
        ("```python\nimport nothing_of_that_name\n```", "page.md:2"),
        ("```python\nimport os; os._exit(1)\n```", "page.md:2: the interpreter ended"),
        ("<!-- not run: a GPU -->\n```python\nprint(\n```", "page.md:3"),
        ('```json\n{"a": }\n```', "page.md:2"),
        ("```yaml\na: [\n```", "page.md:2"),
        ("```ini\n[Unit\n```", "page.md:2"),
        ("```nim\necho 1\n```", "how is 'nim' checked"),
        ("```\nof no language\n```", "how is '' checked"),
        ("```bash\ntrue\n", "no end"),
        ("<!-- stays running -->\n```bash\ntrue\n```", "page.md:3"),
    ],
)
def test_a_block_that_does_not_do_is_named(tmp_path: Path, block: str, words: str) -> None:
    with pytest.raises(AssertionError) as raised:
        follow(tmp_path, block)
    assert words in str(raised.value)
