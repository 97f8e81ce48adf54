"""Owns the tests of the step. Never part of the component."""

import unittest

import step
from piton_step import Context, Failure


class StepTest(unittest.TestCase):
    def test_two_ropes_have_a_price(self):
        output = step.execute(Context(), {"sku": "rope", "quantity": 2})
        self.assertEqual(output["price_cents"], 208)

    def test_too_many_leave_nothing_to_undo(self):
        with self.assertRaises(Failure) as caught:
            step.execute(Context(), {"sku": "rope", "quantity": 101})
        self.assertEqual((caught.exception.code, caught.exception.clean), ("no-stock", True))

    def test_an_undo_may_come_for_nothing(self):
        step.compensate(Context(), {"sku": "rope", "quantity": 2}, None, None)
