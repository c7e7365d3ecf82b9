// Signing in with the PIN.
"use strict";
(() => {
  const door = document.getElementById("door");
  const pin = document.getElementById("pin");
  const button = door.querySelector("button");
  door.addEventListener("submit", (event) => {
    event.preventDefault();
    docket.doing(button, async () => {
      if (await docket.ask("/api/sign-in", { pin: pin.value })) {
        location.reload();
      } else {
        pin.select();
        pin.focus();
      }
    });
  });
})();
