// Looks at the shown frames of the page under test. The strip: 32 bits of Unix milliseconds, then
// a checksum, as 40 blocks of luma in the bottom rows.
window.look = async (count) => {
  const video = document.querySelector("video");
  const canvas = document.createElement("canvas");
  const context = canvas.getContext("2d", { willReadFrequently: true });
  const frames = [];
  while (frames.length < count) {
    const shown = await new Promise((resolve) => {
      video.requestVideoFrameCallback((_, frame) => resolve(frame));
    });
    const { videoWidth: width, videoHeight: height } = video;
    [canvas.width, canvas.height] = [width, height];
    context.drawImage(video, 0, 0);
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
    frames.push({
      clock: readable ? bytes.slice(0, 4).reduce((a, b) => a * 256 + b) : null,
      time: shown.mediaTime, currentTime: video.currentTime, width, height, pixels,
    });
  }
  return frames;
};
window.until = async (condition) => {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 50));
};
