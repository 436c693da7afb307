from engines.tokenizer import Tokenizer, Vocabulary, split_words


def test_words_are_lower_case_without_accents_and_apostrophes() -> None:
    words = split_words("Don't caf\N{LATIN SMALL LETTER E WITH ACUTE}-B&W!")

    assert words == ["dont", "cafe", "-", "b", "and", "w", "!"]


def test_misspelt_words_are_mended_and_joined_ones_split() -> None:
    tokenizer = Tokenizer(Vocabulary(("zebra",), ("black", "white", "and", "sketch")), 64)

    assert tokenizer.words("sktech") == ["sketch"]
    assert tokenizer.words("sketchh blak") == ["sketch", "black"]
    assert tokenizer.words("blackandwhite") == ["black", "and", "white"]
    assert tokenizer.words("zebra asdfgh s4etch") == ["zebra", "asdfgh", "s4etch"]


def test_a_word_is_cut_into_its_longest_pieces() -> None:
    tokenizer = Tokenizer(Vocabulary(("blur", "##red", "b"), ()), 64)

    assert tokenizer(["blurred"]).pieces[0, 0].tolist() == [1, 2, 0, 0]
    assert tokenizer(["xyz"]).pieces[0, 0].tolist() == [0, 0, 0, 0]


def test_texts_of_unlike_length_are_padded_with_zeros() -> None:
    tokenizer = Tokenizer(Vocabulary(("a",), ()), 64)

    words = tokenizer(["a a a", "a"])

    assert words.pieces[:, :, 0].tolist() == [[1, 1, 1], [1, 0, 0]]
    assert (words.groups[1, 1:] == 0).all()
