// Draws what a station hears, a line for each row. Usage: node spectrum.mjs [STATION [ENDPOINT]]
import { Subscriber } from "zeromq";

const [station = "", endpoint = "tcp://127.0.0.1:5757"] = process.argv.slice(2);
const shades = " .:-=+*#%@";
const socket = new Subscriber();
socket.subscribe(`spectrum/${station}`); // the daemon makes it only while somebody subscribes
socket.connect(endpoint);

for await (const [, header, levels] of socket) {
  const { rows, edges_hz, floor_db, step_db } = JSON.parse(header);
  const bands = edges_hz.length - 1;
  for (let row = 0; row < rows; row++) {
    const line = levels.subarray(row * bands, (row + 1) * bands);
    const shade = (byte) => {
      const db = floor_db + step_db * byte;
      return shades[Math.max(0, Math.min(9, Math.floor((db + 100) / 10)))];
    };
    console.log(Array.from(line, shade).join(""));
  }
}
