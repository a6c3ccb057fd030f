"""The examples of docs/how-to/use-from-python.md, run one after the other as one program."""

import contextlib
import io
import re
import unittest
from pathlib import Path

GUIDE = Path(__file__).with_name("use-from-python.md")


class GuideTest(unittest.TestCase):
    def test_examples_run_and_print_what_is_shown(self) -> None:
        text = GUIDE.read_text(encoding="utf-8")
        examples = re.findall(r"^```python\n(.*?)^```(?:\n\n```text\n(.*?)^```)?", text, re.MULTILINE | re.DOTALL)
        self.assertGreater(len(examples), 4)
        names: dict[str, object] = {"__name__": "guide"}
        for code, shown in examples:
            printed = io.StringIO()
            with self.subTest(code=code), contextlib.redirect_stdout(printed):
                exec(compile(code, GUIDE.name, "exec"), names)  # noqa: S102
            if shown:
                self.assertEqual(printed.getvalue(), shown)


if __name__ == "__main__":
    unittest.main(verbosity=2)
