export function create() {}
export function render() {}
export const inForce = () => [];
