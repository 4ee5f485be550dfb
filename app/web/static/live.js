// Keeps the live connection: events of the namespace /live, for as long as somebody is logged in.

import { io } from "./vendor/socket.io.esm.min.js";
import { getAccessToken, onSessionEnd, restoreSession } from "./session.js";

/**
 * Subscribe to events. `handlers` are functions by the event's name; `refresh` is called at each
 * connection, the first too, to fetch what was missed; `setState` with "live", "waiting" or "refused".
 */
export function subscribe(handlers, refresh, setState) {
  const socket = io("/live", {
    transports: ["websocket"],
    reconnectionDelayMax: 5000,
    auth: (resolve) => getAccessToken().then((token) => resolve({ token })),
  });
  let isEnded = false;
  const reconnect = () => { if (!isEnded) socket.connect(); };
  socket.on("connect", () => { setState("live"); refresh(); });
  socket.on("disconnect", (reason) => {
    setState("waiting");
    if (reason === "io server disconnect") setTimeout(reconnect, 1000);
  });
  socket.on("connect_error", async (error) => {
    const isRefused = error.data?.code === "unauthorized";
    setState(isRefused ? "refused" : "waiting");
    if (isRefused) await restoreSession().catch(() => false); // ends the connection where the session has ended
    if (!socket.active) setTimeout(reconnect, isRefused ? 1000 : 5000);
  });
  for (const [name, handler] of Object.entries(handlers)) socket.on(name, handler);
  onSessionEnd(() => {
    isEnded = true;
    socket.disconnect();
  });
  return socket;
}
