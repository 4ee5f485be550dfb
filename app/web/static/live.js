// The live connection: events of the namespace /live, for as long as somebody is logged in.

import { io } from "./vendor/socket.io.esm.min.js";
import { freshToken, onEnd, restore } from "./session.js";

/**
 * Hear what happens. `handlers` are functions by the event's name; `refresh` is called at each
 * connection, the first too, for what was missed; `state` with "live", "waiting" or "refused".
 */
export function listen(handlers, refresh, state) {
  const socket = io("/live", {
    transports: ["websocket"],
    reconnectionDelayMax: 5000,
    auth: (give) => freshToken().then((token) => give({ token })),
  });
  let isOver = false;
  const comeBack = () => { if (!isOver) socket.connect(); };
  socket.on("connect", () => { state("live"); refresh(); });
  socket.on("disconnect", (reason) => {
    state("waiting");
    if (reason === "io server disconnect") setTimeout(comeBack, 1000);
  });
  socket.on("connect_error", async (error) => {
    const isRefused = error.data?.code === "unauthorized";
    state(isRefused ? "refused" : "waiting");
    if (isRefused) await restore().catch(() => false); // where the login has ended, so does this
    if (!socket.active) setTimeout(comeBack, isRefused ? 1000 : 5000);
  });
  for (const [name, handler] of Object.entries(handlers)) socket.on(name, handler);
  onEnd(() => {
    isOver = true;
    socket.disconnect();
  });
  return socket;
}
