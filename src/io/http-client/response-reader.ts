/**
 * Reads one HTTP/1 response out of the bytes of a connection that carries nothing else.
 *
 * Promise: a response whose status can be read is a response, whatever is wrong with the rest of it.
 * What curl or Go's net/http accept is accepted: lines that end in LF alone, 1xx responses that
 * nobody asked for, no reason phrase, folded and malformed fields, lengths that contradict each
 * other. That is safe here and would not be in a proxy: nothing is read after this response, so that
 * no byte can be taken for the next one. Nothing is held beyond its limits.
 */

/** Of all heads together, the 1xx ones included. curl reads 300 KiB, Go 10 MiB. */
const HEAD_BYTES_MAX = 256 * 1024;
/** A line with the size of a chunk and its extensions. */
const CHUNK_LINE_BYTES_MAX = 16 * 1024;

/** Three digits are a status, with or without a reason; `200OK` is read by curl, too. */
const STATUS_LINE = /^[ \t]*HTTP\/\d+(?:\.\d+)?[ \t]+([1-9]\d\d)(?!\d)/i;
/** How a status line begins, or as much of that as is there. */
const STATUS_LINE_START = /^[ \t\r]*(?:$|H(?:$|T(?:$|T(?:$|P(?:$|\/)))))/i;

const LF = 0x0a;

export interface HttpResponse {
  readonly status: number;
  /** Values by name in lower case, in the order in which they came. */
  readonly headers: ReadonlyMap<string, readonly string[]>;
  /** As far as it was read; may be longer than the limit by what came with its last byte. */
  readonly body: Buffer;
  /** Whether the body ended as the head says. False also when it was longer than wanted. */
  readonly isWhole: boolean;
}

export interface ResponseReaderOptions {
  /** False for what has none by its method, such as HEAD and CONNECT. */
  readonly hasBody: boolean;
  /** Reading ends once the body is longer. */
  readonly bodyBytesMax: number;
}

/** Where the reader is; the body modes say how the end of the body is found. */
type Place =
  | 'status'
  | 'fields'
  | 'length'
  | 'chunk-size'
  | 'chunk'
  | 'chunk-end'
  | 'close'
  | 'end';

export class ResponseReader {
  readonly #options: ResponseReaderOptions;
  #place: Place = 'status';
  /** What has come and was not understood yet. */
  #pending: Buffer = Buffer.alloc(0);
  #headBytes = 0;
  #status = 0;
  #headers = new Map<string, string[]>();
  #lastField: string[] | null = null;
  readonly #body: Buffer[] = [];
  #bodyBytes = 0;
  /** Of the body, or of the chunk, still to come. */
  #bytesLeft = 0;
  #isWhole = false;
  #isUnreadable = false;

  constructor(options: ResponseReaderOptions) {
    this.#options = options;
  }

  /** Nothing more has to be read. */
  get isDone(): boolean {
    return this.#place === 'end';
  }

  /** Bytes came, and they are not a response. */
  get isUnreadable(): boolean {
    return this.#isUnreadable;
  }

  /** Whether the status of a final response is there, though its line may not have ended yet. */
  get hasStatus(): boolean {
    if (this.#place !== 'status') return isFinal(this.#status);
    return isFinal(statusOf(textOf(this.#pending)));
  }

  /** The start of what cannot be read, for people. */
  get unreadText(): string {
    return this.#pending.toString('utf8', 0, 256);
  }

  push(bytes: Buffer): void {
    if (this.isDone) return;
    this.#pending = this.#pending.length === 0 ? bytes : Buffer.concat([this.#pending, bytes]);
    while (!this.isDone && this.#step());
  }

  /** The connection has ended, or nobody wants to wait any longer. */
  end(): void {
    if (this.#place === 'status') this.#endInStatus();
    else if (this.#place === 'close') this.#isWhole = true;
    this.#place = 'end';
  }

  /** What was read, or null when no status was. */
  get response(): HttpResponse | null {
    if (!isFinal(this.#status)) return null;
    const { length } = this.#body;
    const body = length === 1 ? (this.#body[0] as Buffer) : Buffer.concat(this.#body);
    return { status: this.#status, headers: this.#headers, body, isWhole: this.#isWhole };
  }

  #endInStatus(): void {
    const text = textOf(this.#pending);
    this.#status = statusOf(text);
    // The start of a status line that broke off is no response, and nothing strange either.
    this.#isUnreadable = !isFinal(this.#status) && !STATUS_LINE_START.test(text);
  }

  /** Takes one piece of what is pending; false when it needs more for that. */
  #step(): boolean {
    switch (this.#place) {
      case 'status':
      case 'fields':
        return this.#headLine();
      case 'chunk-size':
        return this.#chunkSize();
      case 'chunk-end':
        if (this.#line(CHUNK_LINE_BYTES_MAX) === null) return false;
        this.#place = 'chunk-size';
        return true;
      case 'length':
      case 'chunk':
      case 'close':
        return this.#bodyPiece();
      case 'end':
        return false;
    }
  }

  #headLine(): boolean {
    const line = this.#line(HEAD_BYTES_MAX - this.#headBytes);
    if (this.#place === 'end') return false;
    if (this.#place === 'status') return this.#statusLine(line);
    if (line === null) return false;
    if (line === '') this.#endHead();
    // The blank line after a 1xx response may be missing.
    else if (!isFinal(this.#status) && STATUS_LINE.test(line)) this.#beginHead(statusOf(line));
    else this.#field(line);
    return true;
  }

  #statusLine(line: string | null): boolean {
    const text = line ?? textOf(this.#pending);
    const isStatus = line === null ? STATUS_LINE_START.test(text) : STATUS_LINE.test(text);
    if (line?.trim() === '') return true;
    if (!isStatus) {
      if (line !== null) this.#pending = Buffer.from(line, 'latin1');
      this.#isUnreadable = true;
      this.#place = 'end';
      return false;
    }
    if (line === null) return false;
    this.#beginHead(statusOf(line));
    return true;
  }

  #beginHead(status: number): void {
    this.#status = status;
    this.#headers = new Map();
    this.#lastField = null;
    this.#place = 'fields';
  }

  #field(line: string): void {
    if (/^[ \t]/.test(line)) {
      const last = this.#lastField?.pop();
      if (last !== undefined) this.#lastField?.push(`${last} ${line.trim()}`);
      return;
    }
    const colon = line.indexOf(':');
    if (colon < 0) return;
    const name = line.slice(0, colon).trim().toLowerCase();
    const values = this.#headers.get(name) ?? [];
    values.push(line.slice(colon + 1).trim());
    this.#headers.set(name, values);
    this.#lastField = values;
  }

  #endHead(): void {
    if (!isFinal(this.#status)) {
      this.#status = 0;
      this.#place = 'status';
      return;
    }
    this.#place = this.#bodyPlace();
    if (this.#place === 'end' || (this.#place === 'length' && this.#bytesLeft === 0)) {
      this.#finish();
    }
  }

  #bodyPlace(): Place {
    const isBodiless = this.#status === 101 || this.#status === 204 || this.#status === 304;
    if (!this.#options.hasBody || isBodiless) return 'end';
    const codings = this.#list('transfer-encoding');
    if (codings.some((coding) => coding.toLowerCase() === 'chunked')) return 'chunk-size';
    const lengths = new Set(this.#list('content-length'));
    const [length = ''] = lengths;
    // Lengths that contradict each other say nothing: the body is what comes.
    if (lengths.size !== 1 || !/^\d{1,15}$/.test(length)) return 'close';
    this.#bytesLeft = Number(length);
    return 'length';
  }

  #list(name: string): readonly string[] {
    const values = this.#headers.get(name) ?? [];
    return values.flatMap((value) => value.split(',')).map((value) => value.trim());
  }

  #chunkSize(): boolean {
    const line = this.#line(CHUNK_LINE_BYTES_MAX);
    if (line === null) return false;
    const size = /^[ \t]*([0-9a-f]{1,12})(?![0-9a-f])/i.exec(line)?.[1];
    if (size === undefined) {
      this.#place = 'end';
      return false;
    }
    this.#bytesLeft = Number.parseInt(size, 16);
    this.#place = 'chunk';
    // What follows the last chunk is not wanted.
    if (this.#bytesLeft === 0) this.#finish();
    return true;
  }

  #bodyPiece(): boolean {
    if (this.#pending.length === 0) return false;
    const wanted = this.#place === 'close' ? this.#pending.length : this.#bytesLeft;
    const piece = this.#pending.subarray(0, wanted);
    this.#pending = this.#pending.subarray(piece.length);
    this.#body.push(piece);
    this.#bodyBytes += piece.length;
    this.#bytesLeft -= piece.length;
    if (this.#place !== 'close' && this.#bytesLeft === 0) {
      if (this.#place === 'chunk') this.#place = 'chunk-end';
      else this.#finish();
    }
    if (!this.isDone && this.#bodyBytes > this.#options.bodyBytesMax) this.#place = 'end';
    return true;
  }

  #finish(): void {
    this.#isWhole = true;
    this.#place = 'end';
  }

  /** The next line without its end; null when it is not there yet, or longer than allowed. */
  #line(bytesMax: number): string | null {
    const at = this.#pending.indexOf(LF);
    const length = at < 0 ? this.#pending.length : at + 1;
    if (length > bytesMax) {
      // Too long: what was read before it counts.
      this.#isUnreadable = !isFinal(this.#status);
      this.#place = 'end';
      return null;
    }
    if (at < 0) return null;
    const line = this.#pending.toString('latin1', 0, at);
    this.#pending = this.#pending.subarray(at + 1);
    if (this.#place === 'status' || this.#place === 'fields') this.#headBytes += length;
    return line.endsWith('\r') ? line.slice(0, -1) : line;
  }
}

/** 101 ends the exchange in HTTP; the other 1xx are followed by the response itself. */
function isFinal(status: number): boolean {
  return status >= 200 || status === 101;
}

function statusOf(text: string): number {
  return Number(STATUS_LINE.exec(text)?.[1] ?? 0);
}

/** As much as a status line may need. */
function textOf(bytes: Buffer): string {
  return bytes.toString('latin1', 0, 256);
}
