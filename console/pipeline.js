export function create() {}
export function render() {}
