/**
 * An inbox for pages: takes Alertmanager webhooks and prints one line for each alert in them.
 * Usage: node examples/inbox.mjs [PORT], default 9095. `npm start` runs it beside the node.
 */

import { createServer } from 'node:http';
import { pathToFileURL } from 'node:url';
import { styleText } from 'node:util';

/** A page is a few kilobytes; whatever sends more is not an alerter. */
const BODY_BYTES_MAX = 16 * 1024 * 1024;

/** Listens on 127.0.0.1 and resolves to the server; rejects when the port is taken. */
export function startInbox(port, print) {
  const server = createServer(async (request, response) => {
    try {
      const page = JSON.parse(await bodyOf(request));
      for (const alert of page.alerts) print(lineOf(page, alert));
      response.writeHead(200).end();
    } catch (error) {
      response.writeHead(400).end(`not a webhook of an alerter: ${error.message}\n`);
    }
  });
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', () => resolve(server));
  });
}

async function bodyOf(request) {
  const chunks = [];
  let bytes = 0;
  for await (const chunk of request) {
    bytes += chunk.length;
    if (bytes > BODY_BYTES_MAX) throw new Error('too large');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function lineOf(page, { status, labels, annotations }) {
  const firing = status === 'firing';
  const sign = styleText(firing ? 'red' : 'green', firing ? '▲ FIRING  ' : '✔ RESOLVED');
  const time = new Date().toISOString().slice(11, 19);
  const what = styleText('bold', printable(labels.alertname ?? '?'));
  const rest = [labels.series, annotations?.summary].filter(Boolean).map(printable).join(': ');
  return `${time} page to ${page.receiver}  ${sign} ${what} ${rest} (${page.notification_reason})`;
}

/** Labels are other people's text: no control character of theirs reaches the terminal. */
function printable(text) {
  return String(text).replace(/\p{Cc}/gu, '?');
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  const port = Number(process.argv[2] ?? 9095);
  await startInbox(port, (line) => console.log(line));
  console.log(`inbox on http://127.0.0.1:${port}/, waiting for pages`);
}
