// Looks at the shown frames of the page under test. The strip: 32 bits of Unix milliseconds, then
// a checksum, as 40 blocks of luma in the bottom rows.
// A frame as seen now: `picture` is a video or a canvas of that size.
function read(picture, width, height) {
  const canvas = read.canvas ??= document.createElement("canvas");
  const context = canvas.getContext("2d", { willReadFrequently: true });
  [canvas.width, canvas.height] = [width, height];
  context.drawImage(picture, 0, 0);
  const { data } = context.getImageData(0, 0, width, height);
  const green = (x, y) => data[4 * (y * width + x) + 1];
  const side = width / 40;
  const bytes = [0, 0, 0, 0, 0];
  for (let i = 0; i < 40; i++) {
    const bit = green(Math.floor((i + 0.5) * side), Math.floor(height - side / 2)) > 125;
    bytes[i >> 3] = bytes[i >> 3] * 2 + Number(bit);
  }
  const readable = bytes.reduce((a, b) => a + b) % 256 === 255;
  const pixels = [];
  for (let y = 4; y < height; y += 8) for (let x = 4; x < width; x += 8) pixels.push(green(x, y));
  return {
    clock: readable ? bytes.slice(0, 4).reduce((a, b) => a * 256 + b) : null,
    width, height, pixels,
  };
}

window.look = async (count) => {
  const video = document.querySelector("video");
  const frames = [];
  while (frames.length < count) {
    const shown = await new Promise((resolve) => {
      video.requestVideoFrameCallback((_, frame) => resolve(frame));
    });
    frames.push({
      ...read(video, video.videoWidth, video.videoHeight),
      time: shown.mediaTime, currentTime: video.currentTime,
    });
  }
  return frames;
};

// The same for a player that draws on a canvas and counts what it draws.
window.lookAtCanvas = async (count) => {
  const frames = [];
  let drawn = -1;
  while (frames.length < count) {
    await new Promise((resolve) => requestAnimationFrame(resolve));
    if (ngage.frames === drawn) continue;
    drawn = ngage.frames;
    const canvas = document.querySelector("canvas");
    if (!drawn || !canvas) continue;
    frames.push({
      ...read(canvas, canvas.width, canvas.height),
      time: ngage.mediaTime, currentTime: ngage.mediaTime,
    });
  }
  return frames;
};
window.until = async (condition) => {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 50));
};
