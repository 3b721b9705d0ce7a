"""What goes to standard output, and what does not."""

import subprocess
import sys


def test_case_f17_libraries_print_on_standard_error():
    code = (
        "import os, sys\n"
        "from speech_rnn.reporting.progress import own_stdout\n"
        "print('before')\n"
        "with own_stdout():\n"
        "    os.write(1, b'chatter of a library\\n')\n"
        "    print('ärgerlich')\n"
        "    assert sys.stdout.encoding == 'utf-8'\n"
        "print('after')\n"
    )
    command = [sys.executable, "-X", "utf8", "-c", code]
    result = subprocess.run(command, capture_output=True, encoding="utf-8", check=True)
    assert result.stdout == "before\närgerlich\nafter\n"
    assert result.stderr == "chatter of a library\n"
