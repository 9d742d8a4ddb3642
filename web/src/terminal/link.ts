import { currentBearer } from "../api/call";
import type { Proof } from "../api/types";

/** What the proxy says of a terminal. */
export type News =
  | { state: "open"; name: string }
  | { state: "ended"; status: number | null; reason: string }
  | { state: "failed"; code: string; message: string; eventId: string }
  | { state: "lost" };

export interface Wanted {
  server: string;
  login: string;
  columns: number;
  rows: number;
  mfa?: Proof;
}

const PIECE = 32 * 1024;

/** The way to a session on a server: what is typed goes there, what it shows and what happens comes back. */
export class TerminalLink {
  private readonly socket: WebSocket;
  private hasEnded = false;

  constructor(wanted: Wanted, show: (data: Uint8Array) => void, tell: (news: News) => void) {
    this.socket = new WebSocket(`wss://${window.location.host}/webapi/terminal`);
    this.socket.binaryType = "arraybuffer";
    this.socket.onopen = () => this.socket.send(JSON.stringify({ token: currentBearer(), ...wanted }));
    this.socket.onmessage = ({ data }: MessageEvent<ArrayBuffer | string>) => {
      if (typeof data !== "string") return show(new Uint8Array(data));
      const news = JSON.parse(data) as News;
      this.hasEnded = news.state !== "open";
      tell(news);
    };
    this.socket.onclose = () => {
      if (!this.hasEnded) tell({ state: "lost" });
      this.hasEnded = true;
    };
  }

  type(data: Uint8Array): void {
    if (this.socket.readyState !== WebSocket.OPEN) return;
    for (let at = 0; at < data.length; at += PIECE) this.socket.send(data.slice(at, at + PIECE));
  }

  resize(columns: number, rows: number): void {
    if (this.socket.readyState === WebSocket.OPEN)
      this.socket.send(JSON.stringify({ resize: [columns, rows] }));
  }

  close(): void {
    this.hasEnded = true;
    this.socket.close();
  }
}
