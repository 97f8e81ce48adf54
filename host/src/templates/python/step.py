"""Owns the step `{{name}}`: it sets goods aside, and gives them back.
Never charges or ships: one step, one effect."""

from dataclasses import dataclass

from piton_step import Context, Failure, log, memo, read, usage

PIECES_MAX = 100


@dataclass
class Order:
    sku: str
    quantity: int


def execute(ctx: Context, input):
    order = read(Order, input)
    if order.quantity > PIECES_MAX:
        message = f"there are no {order.quantity} of {order.sku}"
        raise Failure.permanent("no-stock", message, clean=True)
    # Asked for once, however often this step is tried.
    piece = memo.once(f"price/{order.sku}", lambda: ask_price(order.sku))
    # Here a real step calls its service, with the key in the request.
    log.info(f"set {order.quantity} of {order.sku} aside")
    return {"reservation": ctx.idempotency_key, "price_cents": piece * order.quantity}


def compensate(ctx: Context, input, output, cause):
    order = read(Order, input)
    # Without an output nobody knows whether goods were set aside: then look for them by this key.
    reservation = output["reservation"] if output else ctx.execute_key
    log.info(f"gave {order.quantity} of {order.sku} back: {reservation}")


def ask_price(sku):
    """Pretends to ask a service that wants a tenth of a cent for its answer."""
    usage("usd", 1_000)
    return 100 + len(sku)
