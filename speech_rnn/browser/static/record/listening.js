/** Listen with a recogniser of the server, over the WebSocket `listen`. */

import { socketAddress } from "../resources.js";
import { Microphone } from "../sounds.js";
import { pcm } from "./wav.js";

export class Listening {
  /**
   * @param {function} onMessage is called with each message of the server.
   * @param {function} onEnd is called with the reason once it has ended; empty if it was asked for.
   */
  constructor(onMessage, onEnd) {
    this.onMessage = onMessage;
    this.onEnd = onEnd;
  }

  async start(model) {
    this.microphone = new Microphone((samples) => this.send(pcm(samples)));
    const sampleRate = await this.microphone.start();
    this.socket = new WebSocket(socketAddress("listen", { model, sample_rate: sampleRate }));
    this.socket.onmessage = ({ data }) => this.take(JSON.parse(data));
    this.socket.onclose = ({ code, reason }) => this.end(code, reason);
  }

  send(content) {
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(content);
  }

  take(message) {
    if (message.error) this.error = message.error;
    else this.onMessage(message);
  }

  /** Stop the microphone, and let the server answer for the rest. */
  async stop() {
    await this.microphone.stop();
    this.send(JSON.stringify({ type: "finish" }));
  }

  async end(code, reason) {
    await this.microphone.stop();
    const isGood = code === 1000;
    this.onEnd(isGood ? "" : this.error || reason || "the server refuses the connection");
  }
}
