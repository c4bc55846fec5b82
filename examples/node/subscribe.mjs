// Prints genre changes. Usage: node subscribe.mjs [ENDPOINT [SERVER_KEY PUBLIC_KEY SECRET_KEY]]
import { Subscriber } from "zeromq";

const [endpoint = "tcp://127.0.0.1:5757", serverKey, publicKey, secretKey] = process.argv.slice(2);
const socket = new Subscriber();
if (serverKey) {
  socket.curveServerKey = serverKey;
  socket.curvePublicKey = publicKey;
  socket.curveSecretKey = secretKey;
}
socket.subscribe("update/");
socket.connect(endpoint);

const newest = new Map(); // station -> the event that came last
for await (const [, body] of socket) {
  const event = JSON.parse(body);
  const before = newest.get(event.station);
  if (before?.session === event.session) {
    if (event.seq <= before.seq) continue; // repeated for a late subscriber
    if (event.seq > before.seq + 1) console.error(`${event.seq - before.seq - 1} missed`);
  }
  newest.set(event.station, event);
  if (before?.genre !== event.genre || before?.state !== event.state) {
    console.log(`${event.station}: ${event.genre ?? event.state}`);
  }
}
