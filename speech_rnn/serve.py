"""Serve recognisers over HTTP, WebSockets and Wyoming: ``python -m speech_rnn.serve``."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from speech_rnn.errors import spoken_errors
from speech_rnn.reporting.examples import run_alone
from speech_rnn.starter import STARTER

EXAMPLES = (
    "speech-rnn serve",
    "speech-rnn serve --model outputs/lights/recognizer.safetensors --port 8080",
    "speech-rnn serve --models recognisers/ --host 0.0.0.0 --token SECRET",
)


def serve(
    model: Annotated[
        list[Path] | None, typer.Option(help="A recogniser; repeat it for several.")
    ] = None,
    models: Annotated[
        Path | None, typer.Option(help="Folder of recognisers, looked through again and again.")
    ] = None,
    host: Annotated[
        str, typer.Option(help="Address of HTTP; 0.0.0.0 is reached from other machines.")
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port of HTTP; 0: a free one.")
    ] = 8000,
    wyoming_host: Annotated[
        str, typer.Option(help="Address of Wyoming, for Home Assistant; it knows no token.")
    ] = "127.0.0.1",
    wake_port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port of Wyoming's wake words.")
    ] = 10400,
    asr_port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port of Wyoming's speech to text.")
    ] = 10300,
    only: Annotated[
        list[str] | None, typer.Option(help="Serve only this: http, wake or asr; may be repeated.")
    ] = None,
    stdio: Annotated[
        str | None,
        typer.Option(help="Serve Wyoming's wake or asr to one client over stdin and stdout."),
    ] = None,
    zeroconf: Annotated[
        bool, typer.Option("--zeroconf", help="Announce Wyoming, so that Home Assistant finds it.")
    ] = False,
    language: Annotated[
        list[str] | None,
        typer.Option(help="The language that Home Assistant sees; en if none is given."),
    ] = None,
    token: Annotated[
        str | None,
        typer.Option(envvar="SPEECH_RNN_TOKEN", help="Token that clients of HTTP have to send."),
    ] = None,
    origin: Annotated[
        list[str] | None,
        typer.Option(help="Origin of pages that may ask, such as https://home.example."),
    ] = None,
    grammar: Annotated[
        Path | None, typer.Option(help="A grammar (JSGF): only its sentences are transcribed.")
    ] = None,
    reject: Annotated[
        float,
        typer.Option(
            help="Reject a sentence less probable than this, relative to unconstrained decoding."
        ),
    ] = 0.0,
    max_streams: Annotated[
        int | None,
        typer.Option(min=1, help="Streams at once; measured at the start without it."),
    ] = None,
    max_connections: Annotated[
        int, typer.Option(min=1, help="Open connections of each port.")
    ] = 500,
    max_megabytes: Annotated[float, typer.Option(help="Size of a recording, in MiB.")] = 25.0,
    max_seconds: Annotated[float, typer.Option(help="Duration of a recording, in s.")] = 600.0,
    idle_seconds: Annotated[
        float, typer.Option(help="Close a stream after so many seconds without sound.")
    ] = 300.0,
) -> None:
    """Serve recognisers until Ctrl-C: HTTP in OpenAI's shape, WebSockets, and Wyoming."""
    with spoken_errors():
        import asyncio

        from speech_rnn.serving.packages import check_packages

        check_packages()
        from speech_rnn.decoding.choosing import choose_decoder
        from speech_rnn.recognizer import Recognizer
        from speech_rnn.serving.limits import Limits
        from speech_rnn.serving.logs import start_logs
        from speech_rnn.serving.places import Places, check_stdio, chosen_ports
        from speech_rnn.serving.server import Server, run, run_stdio
        from speech_rnn.serving.service import Service
        from speech_rnn.serving.shelf import Shelf

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
        start_logs()
        shelf = Shelf(files, models, prepare)
        if stdio is not None:
            asyncio.run(run_stdio(lambda: Service(shelf, limits), stdio, languages))
        else:
            asyncio.run(run(lambda: Server(Service(shelf, limits), places)))


main = partial(run_alone, serve, EXAMPLES)

if __name__ == "__main__":
    main()
