"""Use the page as a person does: drop files on it, read its list."""

import base64
import io

import soundfile

from tests.browser.sounds import RATE

READY = "document.getElementById('listen')?.disabled === false"
DONE = "/ words? in /.test(document.getElementById('status').textContent)"
WORDS = "[...document.querySelectorAll('#detections li')].map(row => ({...row.dataset})).reverse()"
DROP = """(async () => {
  const bytes = await (await fetch("data:audio/wav;base64,SOUND")).arrayBuffer();
  const data = new DataTransfer();
  data.items.add(new File([bytes], "said.wav"));
  const options = {dataTransfer: data, bubbles: true, cancelable: true};
  for (const kind of ["dragenter", "dragover", "drop"]) {
    document.body.dispatchEvent(new DragEvent(kind, options));
  }
})()"""


def wav(samples, rate=RATE):
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format="WAV", subtype="FLOAT")
    return file.getvalue()


def words_of(tab):
    """Return the detections that the page lists, the first one first."""
    rows = tab.run(WORDS)
    numbers = ("start", "end", "confidence")
    return [row | {name: float(row[name]) for name in numbers} for row in rows]


def drop(tab, content, until=DONE):
    """Drop a file on the page, and wait for its end."""
    tab.run(DROP.replace("SOUND", base64.b64encode(content).decode()))
    tab.until(until)
