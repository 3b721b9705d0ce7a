/** Arithmetic as Python has it. */

/** Round to the nearest whole number, a half to the even one, as Python's `round` does. */
export function round(value) {
  const floor = Math.floor(value);
  const rest = value - floor;
  if (rest !== 0.5) return rest < 0.5 ? floor : floor + 1;
  return floor % 2 === 0 ? floor : floor + 1;
}

/** Join arrays of floats. */
export function joined(arrays) {
  if (arrays.length === 1) return arrays[0];
  const whole = new Float32Array(arrays.reduce((n, array) => n + array.length, 0));
  let place = 0;
  for (const array of arrays) {
    whole.set(array, place);
    place += array.length;
  }
  return whole;
}
