/** The thread that sends hostile requests, all that it is given at once. */

import { parentPort, workerData } from 'node:worker_threads';
import { hostileRequests, sendHostile } from './requests.ts';

interface Order {
  readonly url: string;
  readonly titles: readonly string[];
}

const requests = new Map(hostileRequests(workerData as number).map((each) => [each.title, each]));

parentPort?.on('message', ({ titles, url }: Order) => {
  const found = titles.flatMap((title) => requests.get(title) ?? []);
  void Promise.all(found.map((each) => sendHostile(url, each))).then((statuses) =>
    parentPort?.postMessage(statuses),
  );
});
