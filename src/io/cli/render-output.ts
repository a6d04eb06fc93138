/**
 * Where results go: a stream that may end before the program does, as in `tocsin … | head`.
 *
 * Promise: when nobody reads any more, writing becomes free and silent; the writer may ask, and
 * stop early. Any other error of the stream is thrown as {@link OutputFailed}.
 */

import type { Writable } from 'node:stream';

/** What a subcommand needs of the terminal: results go to stdout, talk goes to stderr. */
export interface Streams {
  readonly stdout: Writable;
  readonly stderr: Writable;
}

/** What was to be written is not where it should be, such as in a file on a full disk. */
export class OutputFailed extends Error {
  override readonly name = 'OutputFailed';
}

/** Characters gathered before they are written: a line at a time would cost a system call each. */
const BLOCK_CHARACTERS = 16_384;

export class Output {
  readonly #stream: Writable;
  #error: NodeJS.ErrnoException | null = null;

  constructor(stream: Writable) {
    this.#stream = stream;
    // Comes after the callback of the write that failed; unheard it would end the process.
    stream.on('error', (error) => {
      this.#error ??= error;
    });
  }

  /** True when the reader has left. */
  get isGone(): boolean {
    return this.#error !== null && isGone(this.#error);
  }

  /** Writes lines, and waits while the reader is slower than the writer. */
  async lines(lines: Iterable<string> | AsyncIterable<string>): Promise<void> {
    let block = '';
    for await (const line of lines) {
      block += `${line}\n`;
      if (block.length < BLOCK_CHARACTERS) continue;
      await this.#write(block);
      if (this.isGone) return;
      block = '';
    }
    await this.#write(block);
  }

  async #write(text: string): Promise<void> {
    if (text === '' || this.isGone) return;
    await new Promise<void>((resolve) => {
      this.#stream.write(text, (error) => {
        this.#error ??= error ?? null;
        resolve();
      });
    });
    if (this.#error !== null && !this.isGone) throw new OutputFailed(this.#error.message);
  }
}

/** Whether an error of a stream says that its reader has left. */
export function isGone({ code }: NodeJS.ErrnoException): boolean {
  return code === 'EPIPE' || code === 'ERR_STREAM_DESTROYED';
}
