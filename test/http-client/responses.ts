/** Responses of receivers in the field and of people's scripts, as bytes. */

export interface Strange {
  readonly title: string;
  readonly bytes: string;
  /** The status that is read; null when there is none to be read. */
  readonly status: number | null;
  readonly body?: string;
  /** Where curl refuses what Go's net/http, llhttp or common sense accept, or the other way round. */
  readonly notAsCurl?: string;
}

const OK = 'HTTP/1.1 200 OK\r\n';
const EMPTY = 'Content-Length: 0\r\n\r\n';

export const STRANGE: readonly Strange[] = [
  { title: 'lines that end in LF alone', bytes: 'HTTP/1.1 200 OK\n\n', status: 200 },
  {
    title: '100 Continue that nobody asked for',
    bytes: `HTTP/1.1 100 Continue\r\n\r\n${OK}${EMPTY}`,
    status: 200,
  },
  {
    title: '100 Continue with lines that end in LF alone',
    bytes: 'HTTP/1.1 100 Continue\n\nHTTP/1.1 200 OK\n\n',
    status: 200,
  },
  {
    title: 'several 1xx responses first',
    bytes: `HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\n${OK}${EMPTY}`,
    status: 200,
  },
  {
    title: '1xx without its blank line',
    bytes: `HTTP/1.1 100 Continue\r\n${OK}${EMPTY}`,
    status: 200,
    notAsCurl: 'curl takes the second status line for a field',
  },
  {
    title: '1xx, and then nothing',
    bytes: 'HTTP/1.1 100 Continue\r\n\r\n',
    status: null,
    notAsCurl: 'curl reports 100 and an error',
  },
  { title: 'HTTP/1.0', bytes: 'HTTP/1.0 200 OK\r\n\r\nok', status: 200, body: 'ok' },
  { title: 'no reason', bytes: 'HTTP/1.1 200\r\n\r\n', status: 200 },
  { title: 'a blank for a reason', bytes: `HTTP/1.1 200 \r\n${EMPTY}`, status: 200 },
  { title: 'no space before the reason', bytes: `HTTP/1.1 200OK\r\n${EMPTY}`, status: 200 },
  { title: 'a status line and no more', bytes: OK, status: 200 },
  { title: 'a status line that ends in LF, and no more', bytes: 'HTTP/1.1 200\n', status: 200 },
  {
    title: 'a status line that does not even end',
    bytes: 'HTTP/1.1 200 OK',
    status: 200,
    notAsCurl: 'curl wants the end of the line, though the status can be read',
  },
  { title: 'fields that break off', bytes: `${OK}Content-Le`, status: 200 },
  { title: 'no length, ended by closing', bytes: `${OK}\r\nbody`, status: 200, body: 'body' },
  {
    title: 'a length that is too long',
    bytes: `${OK}Content-Length: 50\r\n\r\nbody`,
    status: 200,
    body: 'body',
  },
  {
    title: 'a length that is too short',
    bytes: `${OK}Content-Length: 2\r\n\r\nbody`,
    status: 200,
    body: 'bo',
  },
  {
    title: 'the same length twice',
    bytes: `${OK}Content-Length: 4\r\nContent-Length: 4\r\n\r\nbody`,
    status: 200,
    body: 'body',
  },
  {
    title: 'two lengths',
    bytes: `${OK}Content-Length: 4\r\nContent-Length: 5\r\n\r\nbody`,
    status: 200,
    body: 'body',
  },
  {
    title: 'a length that is no number',
    bytes: `${OK}Content-Length: abc\r\n\r\nbody`,
    status: 200,
    body: 'body',
  },
  {
    title: 'a length below zero',
    bytes: `${OK}Content-Length: -1\r\n\r\nbody`,
    status: 200,
    body: 'body',
  },
  {
    title: 'a length and chunks',
    bytes: `${OK}Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n`,
    status: 200,
    body: 'body',
  },
  {
    title: 'a chunk whose size is no number',
    bytes: `${OK}Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\nzz\r\nbody\r\n0\r\n\r\n`,
    status: 200,
    body: 'ok',
  },
  {
    title: 'chunks without an end',
    bytes: `${OK}Transfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n`,
    status: 200,
    body: 'body',
  },
  {
    title: 'chunks with extensions and lines that end in LF alone',
    bytes: 'HTTP/1.1 200 OK\nTransfer-Encoding: Chunked\n\n4;a=b\nbody\n0\n\n',
    status: 200,
    body: 'body',
  },
  {
    title: 'an unknown transfer coding',
    bytes: `${OK}Transfer-Encoding: odd\r\n\r\nbody`,
    status: 200,
    body: 'body',
  },
  { title: 'a folded field', bytes: `${OK}X-A: a\r\n b\r\n${EMPTY}`, status: 200 },
  { title: 'a fold with nothing before it', bytes: `${OK} odd\r\n${EMPTY}`, status: 200 },
  {
    title: 'bytes above 0x7f',
    bytes: `HTTP/1.1 200 \xe4\xff\r\nX-A: \xe4\xff\r\n${EMPTY}`,
    status: 200,
  },
  {
    title: 'a space before a colon',
    bytes: `${OK}Content-Length : 2\r\n\r\nok`,
    status: 200,
    body: 'ok',
  },
  { title: 'a field without a colon', bytes: `${OK}garbage\r\n${EMPTY}`, status: 200 },
  { title: 'a field without a name', bytes: `${OK}: a\r\n${EMPTY}`, status: 200 },
  { title: 'an odd name of a field', bytes: `${OK}X(A)[é]: a\r\n${EMPTY}`, status: 200 },
  {
    title: 'control characters in a field',
    bytes: `${OK}X-A: a\x00\x01\rb\r\n${EMPTY}`,
    status: 200,
  },
  {
    title: 'bytes behind the response',
    bytes: `${OK}${EMPTY}HTTP/1.1 500 No\r\n\r\n`,
    status: 200,
  },
  { title: 'lower case', bytes: `http/1.1 200 ok\r\n${EMPTY}`, status: 200 },
  { title: 'two spaces', bytes: `HTTP/1.1  200  OK\r\n${EMPTY}`, status: 200 },
  {
    title: 'a tab',
    bytes: `HTTP/1.1\t200\tOK\r\n${EMPTY}`,
    status: 200,
    notAsCurl: 'curl wants a space',
  },
  {
    title: 'blank lines first',
    bytes: `\r\n\n${OK}${EMPTY}`,
    status: 200,
    notAsCurl: 'curl does not skip them, llhttp does',
  },
  { title: 'a blank first', bytes: ` ${OK}${EMPTY}`, status: 200, notAsCurl: 'curl wants none' },
  {
    title: 'another version of HTTP/1',
    bytes: `HTTP/1.2 200 OK\r\n${EMPTY}`,
    status: 200,
    notAsCurl: 'curl knows 1.0 and 1.1',
  },
  { title: 'a version without its second part', bytes: `HTTP/2 200\r\n${EMPTY}`, status: 200 },
  { title: 'a status beyond the classes', bytes: `HTTP/1.1 600 Odd\r\n${EMPTY}`, status: 600 },
  {
    title: '204 with a body',
    bytes: 'HTTP/1.1 204 No Content\r\nContent-Length: 4\r\n\r\nbody',
    status: 204,
  },
  {
    title: '101 that nobody asked for',
    bytes: 'HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n',
    status: 101,
  },
  {
    title: 'a field of 100 kB',
    bytes: `${OK}X-A: ${'a'.repeat(100_000)}\r\n${EMPTY}`,
    status: 200,
  },
  { title: '5,000 fields', bytes: `${OK}${'X-A: a\r\n'.repeat(5_000)}${EMPTY}`, status: 200 },
  {
    title: 'more fields than anybody reads',
    bytes: `${OK}${`X-A: ${'a'.repeat(1_000)}\r\n`.repeat(400)}${EMPTY}`,
    status: 200,
  },
  { title: 'a refusal', bytes: 'HTTP/1.0 503 Busy\n\nlater', status: 503, body: 'later' },
  { title: 'nothing', bytes: '', status: null },
  { title: 'words', bytes: 'ok\n', status: null },
  { title: 'words that do not end', bytes: 'ok', status: null },
  { title: 'the banner of a mail server', bytes: '220 mail.example.com ESMTP\r\n', status: null },
  { title: 'an alert of TLS', bytes: '\x15\x03\x01\x00\x02\x02\x46', status: null },
  { title: 'a status of two digits', bytes: `HTTP/1.1 20 OK\r\n${EMPTY}`, status: null },
  { title: 'a status of four digits', bytes: `HTTP/1.1 2000 OK\r\n${EMPTY}`, status: null },
  { title: 'a status of zeros', bytes: `HTTP/1.1 000 Odd\r\n${EMPTY}`, status: null },
  { title: 'a status line that breaks off', bytes: 'HTTP/1.1 20', status: null },
];
