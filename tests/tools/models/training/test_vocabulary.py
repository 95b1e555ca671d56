"""A trimmed vocabulary cuts kept texts as before."""

import json

import numpy as np
import pytest
import tokenizers
from hypothesis import given
from hypothesis import strategies as st

from encoders import tokenizer, weights
from tierbreak.tools.models.training.folder import Source
from tierbreak.tools.models.training.vocabulary import pieces, trim

WORDS = "embeddings.word_embeddings.weight"
WHOLE = weights(1)
SMALL, SMALL_TOKENIZER = trim(WHOLE, tokenizer(), {"##mart", "no such piece"})


def tokens(reader, text):
    return tokenizers.Tokenizer.from_str(reader).encode(text).tokens


def test_special_tokens_characters_and_what_is_kept_are_left():
    """5 special tokens, 40 characters, their 40 `##` forms, `##mart`; `coffee` is gone."""
    vocabulary = json.loads(SMALL_TOKENIZER)["model"]["vocab"]
    assert len(vocabulary) == len(SMALL[WORDS]) == 5 + 40 + 40 + 1
    assert "coffee" not in vocabulary
    assert list(vocabulary.values()) == list(range(86))
    assert vocabulary["##mart"] == 85, "ids keep their order: the one behind `coffee` moved up"
    assert (SMALL[WORDS][85] == WHOLE[WORDS][86]).all()
    assert len(WHOLE[WORDS]) == 87, "what was given is as it was"


def test_a_piece_that_is_gone_is_cut_into_its_characters():
    assert tokens(tokenizer(), "COFFEE") == ["[CLS]", "coffee", "[SEP]"]
    assert tokens(SMALL_TOKENIZER, "COFFEE") == ["[CLS]", "c", "##o", "##f", "##f", "##e", "##e", "[SEP]"]
    assert tokens(SMALL_TOKENIZER, "WALMART") == ["[CLS]", "w", "##a", "##l", "##mart", "[SEP]"]


@given(st.text(alphabet="ABMRT &'.-019", max_size=30))
def test_texts_without_the_piece_are_embedded_alike(text):
    assert tokens(SMALL_TOKENIZER, text) == tokens(tokenizer(), text)


def test_ids_at_the_ends_are_the_new_ones():
    """Renumbered, [CLS] and [SEP] still stand at the ends, and the vectors are those of the same pieces."""
    content = json.loads(tokenizer())
    old = content["model"]["vocab"]
    moved = {word: len(old) - 1 - at for word, at in old.items()}
    content["model"]["vocab"] = moved
    for token in content["added_tokens"]:
        token["id"] = moved[token["content"]]
    for token in content["post_processor"]["special_tokens"].values():
        token["ids"] = [moved[piece] for piece in token["tokens"]]
    backwards = {**WHOLE, WORDS: WHOLE[WORDS][::-1]}
    found = [
        Source.of(encoder, np.zeros((1, 0, 384)), reader, [], ranges={}).embedder.run(["WALMART"], "embedding")[0]
        for encoder, reader in ((WHOLE, tokenizer()), trim(backwards, json.dumps(content), {"##mart"}))
    ]
    assert (found[0] == found[1]).all()


def test_weights_of_another_tokenizer_are_refused():
    with pytest.raises(ValueError, match="the tokenizer has 87 pieces, the weights 80 vectors"):
        trim({WORDS: np.zeros((80, 384))}, tokenizer(), set())


def test_pieces_are_counted():
    assert pieces(tokenizer(), ["COFFEE", "COFFEE A"]) == {"coffee": 2, "a": 1}
