import torch
from torch import nn

from engines.backbones.layers import NormalisedConv2d
from engines.training.optimisers import Optimisers


class Network(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.convolution = NormalisedConv2d(3, 4, 3)
        self.scale = nn.Parameter(torch.ones(4, 1, 1))
        self.still = NormalisedConv2d(4, 4, 1).requires_grad_(False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        scaled: torch.Tensor = self.still(self.convolution(x) * self.scale)
        return scaled


def step(network: Network, optimisers: Optimisers, share: float = 1.0) -> None:
    torch.autograd.backward(network(torch.ones(1, 3, 8, 8)).square().mean())
    optimisers.step(share)


def test_filters_and_all_else_go_at_rates_of_their_own() -> None:
    network = Network()
    filters = network.convolution.filters.detach().clone()
    step(network, Optimisers(network, filter_rate=0.0, learning_rate=0.1))

    # Adam's first step is of the rate's length. Renormalised, filters go on in their direction.
    torch.testing.assert_close((network.scale - 1).abs(), torch.full_like(network.scale, 0.1))
    rows = torch.stack([filters, network.convolution.filters.detach()])
    torch.testing.assert_close(*nn.functional.normalize(rows, dim=2))


def test_a_share_of_the_rates_goes_so_much_less_far() -> None:
    network = Network()
    step(network, Optimisers(network, filter_rate=0.0, learning_rate=0.1), share=0.25)

    torch.testing.assert_close((network.scale - 1).abs(), torch.full_like(network.scale, 0.025))


def test_gradients_are_forgotten_and_what_stands_still_stays() -> None:
    network = Network()
    before = network.still.filters.clone()
    step(network, Optimisers(network, filter_rate=0.1, learning_rate=0.1))

    assert all(weight.grad is None for weight in network.parameters())
    assert torch.equal(network.still.filters, before)


def test_filters_are_brought_back_to_their_size_every_tenth_step() -> None:
    network = Network()
    optimisers = Optimisers(network, filter_rate=0.3, learning_rate=0.0)

    def size() -> float:
        return float(network.convolution.filters.detach().square().mean().sqrt())

    for number in range(11):
        step(network, optimisers)
        assert (abs(size() - 1) < 1e-3) == (number % 10 == 0)


def test_a_run_that_was_left_goes_on_as_if_it_had_not_been() -> None:
    whole, first = Network(), Network()
    unbroken, begun = Optimisers(whole, 0.1, 0.1), Optimisers(first, 0.1, 0.1)
    for _ in range(12):
        step(whole, unbroken)
    for _ in range(7):
        step(first, begun)
    second = Network()
    second.load_state_dict(first.state_dict())
    resumed = Optimisers(second, 0.1, 0.1)
    resumed.load(begun.state(), steps=7)
    for _ in range(5):
        step(second, resumed)

    assert all(torch.equal(value, second.state_dict()[name]) for name, value in whole.state_dict().items())


def test_a_network_may_have_nothing_for_one_of_them() -> None:
    plain = nn.Conv2d(3, 4, 3)
    torch.autograd.backward(plain(torch.ones(1, 3, 8, 8)).square().mean())
    before = plain.weight.detach().clone()
    Optimisers(plain, 0.1, 0.1).step(1.0)

    assert not torch.equal(plain.weight, before)
