from engines.compilers.cpu import cpu_name, flags_of, has_bfloat16, has_int8

ZEN4 = "processor\t: 0\nmodel name\t: AMD Ryzen 7 7840U\nflags\t\t: fpu avx2 avx512_bf16 avx512_vnni\n"
SKYLAKE = "processor : 0\nmodel name : Intel(R) Core(TM) i5-6200U CPU\nflags : fpu avx avx2 fma\n"
ALDER_LAKE = "flags : fpu avx2 avx_vnni\n"
ARM = "processor : 0\nFeatures : fp asimd\n"


def test_a_cpu_is_asked_for_what_it_multiplies() -> None:
    assert has_bfloat16(flags_of(ZEN4))
    assert has_int8(flags_of(ZEN4))
    assert not has_bfloat16(flags_of(SKYLAKE))
    assert not has_int8(flags_of(SKYLAKE))
    assert has_int8(flags_of(ALDER_LAKE))
    assert not has_bfloat16(flags_of(ALDER_LAKE))
    assert flags_of(ARM) == frozenset()


def test_a_cpu_has_a_name() -> None:
    assert cpu_name(ZEN4) == "AMD Ryzen 7 7840U"
    assert cpu_name("")
