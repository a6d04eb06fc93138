/** Counts of what went over a channel with one member, for the metrics. */

export interface Traffic {
  framesSent: number;
  bytesSent: number;
  /** Frames that found no connection or no room, or were waiting when the connection broke. */
  framesDropped: number;
  framesReceived: number;
  bytesReceived: number;
}

export function noTraffic(): Traffic {
  return { framesSent: 0, bytesSent: 0, framesDropped: 0, framesReceived: 0, bytesReceived: 0 };
}
