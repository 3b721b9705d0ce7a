"""Serve recognisers over HTTP, WebSockets and Wyoming: ``python -m speech_rnn.serve``."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from speech_rnn.errors import printed_errors
from speech_rnn.listening.options import Grammar, Reject
from speech_rnn.reporting.examples import run_alone
from speech_rnn.starter import STARTER

EXAMPLES = (
    "speech-rnn serve",
    "speech-rnn serve --models recognisers/ --host 0.0.0.0 --token SECRET",
    "speech-rnn serve --model outputs/lights/recognizer.safetensors --record lights/",
)


def serve(
    model: Annotated[
        list[Path] | None, typer.Option(help="A recogniser to serve. Repeatable.")
    ] = None,
    models: Annotated[
        Path | None,
        typer.Option(
            help="Folder of recognisers to serve. New and changed files are loaded "
            "without a restart."
        ),
    ] = None,
    host: Annotated[
        str,
        typer.Option(
            help="Address for HTTP and WebSockets. With 0.0.0.0, other machines can connect."
        ),
    ] = "127.0.0.1",
    port: Annotated[
        int,
        typer.Option(min=0, max=65535, help="Port for HTTP and WebSockets. 0 chooses a free port."),
    ] = 8000,
    wyoming_host: Annotated[
        str,
        typer.Option(
            help="Address for Wyoming, the protocol of Home Assistant. Wyoming has no tokens."
        ),
    ] = "127.0.0.1",
    wake_port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port for wake words over Wyoming.")
    ] = 10400,
    asr_port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port for speech to text over Wyoming.")
    ] = 10300,
    only: Annotated[
        list[str] | None,
        typer.Option(
            help="Serve only this: http, wake (wake words) or asr (speech to text). Repeatable."
        ),
    ] = None,
    stdio: Annotated[
        str | None,
        typer.Option(
            help="Serve wake or asr over Wyoming to one client, on standard input and output."
        ),
    ] = None,
    zeroconf: Annotated[
        bool,
        typer.Option(
            "--zeroconf",
            help="Announce the Wyoming ports in the network, so that Home Assistant finds them.",
        ),
    ] = False,
    language: Annotated[
        list[str] | None,
        typer.Option(
            help="Language that is reported to Home Assistant. Repeatable. The default is en."
        ),
    ] = None,
    token: Annotated[
        str | None,
        typer.Option(
            envvar="SPEECH_RNN_TOKEN", help="Token that HTTP and WebSocket clients must send."
        ),
    ] = None,
    origin: Annotated[
        list[str] | None,
        typer.Option(
            help="Origin of web pages that may connect, such as https://home.example. Repeatable."
        ),
    ] = None,
    record: Annotated[
        Path | None,
        typer.Option(
            help="Serve the page /record, which records words and trains a recogniser of them. "
            "This folder keeps the recordings and the recogniser. The language is that of "
            "--language."
        ),
    ] = None,
    train: Annotated[
        list[str] | None,
        typer.Option(help="Setting of the trainings of --record, such as device=cuda. Repeatable."),
    ] = None,
    grammar: Grammar = None,
    reject: Reject = 0.0,
    max_streams: Annotated[
        int | None,
        typer.Option(
            min=1, help="Largest number of streams at once. By default it is measured at the start."
        ),
    ] = None,
    max_connections: Annotated[
        int, typer.Option(min=1, help="Largest number of open connections of each port.")
    ] = 500,
    max_megabytes: Annotated[
        float, typer.Option(help="Largest size of a recording, in MiB.")
    ] = 25.0,
    max_seconds: Annotated[
        float, typer.Option(help="Longest duration of a recording, in seconds.")
    ] = 600.0,
    idle_seconds: Annotated[
        float, typer.Option(help="Close a stream after this many seconds without sound.")
    ] = 300.0,
) -> None:
    """Run a server for recognition over HTTP (OpenAI's interface), WebSockets and Wyoming."""
    with printed_errors():
        import asyncio

        from speech_rnn.serving.packages import check_packages

        check_packages()
        from speech_rnn.decoding.choosing import choose_decoder
        from speech_rnn.recognizer import Recognizer
        from speech_rnn.serving.limits import Limits
        from speech_rnn.serving.logs import start_logs
        from speech_rnn.serving.loops import run_in_loop
        from speech_rnn.serving.places import Places, check_record, check_stdio, chosen_ports
        from speech_rnn.serving.server import Server, run, run_stdio
        from speech_rnn.serving.service import Service
        from speech_rnn.serving.shelf import Shelf
        from speech_rnn.serving.studio import Studio

        def prepare(recognizer: Recognizer) -> None:
            recognizer.decoder = choose_decoder(
                recognizer.vocabulary, grammar=grammar, reject_below=reject
            )

        limits = Limits(
            request_bytes=round(max_megabytes * (1 << 20)),
            seconds=max_seconds,
            connections=max_connections,
            streams=max_streams,
            idle_seconds=idle_seconds,
        )
        languages = tuple(language or ["en"])
        places = Places(
            host=host,
            token=token,
            origins=tuple(origin or ()),
            wyoming_host=wyoming_host,
            languages=languages,
            is_announced=zeroconf,
            **chosen_ports(only, port=port, wake_port=wake_port, asr_port=asr_port),
        )
        check_stdio(stdio)
        files = model or ([] if models else [STARTER])
        folders = [models] if models else []
        studio = None
        if record is not None:
            check_record(places, stdio)
            studio = Studio(record, train or (), languages[0])
            folders.append(studio.recognisers)
        start_logs()
        shelf = Shelf(files, folders, prepare)
        if stdio is not None:
            asyncio.run(run_stdio(lambda: Service(shelf, limits), stdio, languages))
        else:
            run_in_loop(run(lambda: Server(Service(shelf, limits), places, studio)))


main = partial(run_alone, serve, EXAMPLES)

if __name__ == "__main__":
    main()
