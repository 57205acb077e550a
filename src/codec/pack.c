/* SPDX-License-Identifier: Apache-2.0 */
/* See pack.h. */
#include "codec/pack.h"

#include <lz4.h>

/* Longer than any text that is stored. */
#define LENGTH_MAX (64u * 1024 * 1024)

struct PackDictionary {
    uint32_t refs;
    uint32_t id;
    LZ4_stream_t *stream; /* with the text loaded; NULL: not needed of late */
    size_t n;
    char text[];
};

/* ---- dictionaries ---- */

PackDictionary *pack_dictionary_new(uint32_t id, Bytes text)
{
    size_t n = MIN_OF(text.n, (size_t)PACK_DICTIONARY_MAX);
    PackDictionary *dictionary = mem_resize(NULL, sizeof(*dictionary) + n);

    *dictionary = (PackDictionary){.refs = 1, .id = id, .n = n};
    memcpy(dictionary->text, text.p, n);
    return dictionary;
}

PackDictionary *pack_dictionary_ref(PackDictionary *dictionary)
{
    if (dictionary)
        dictionary->refs++;
    return dictionary;
}

void pack_dictionary_rest(PackDictionary *dictionary)
{
    free(TAKE_PTR(dictionary->stream));
}

PackDictionary *pack_dictionary_unref(PackDictionary *dictionary)
{
    if (!dictionary || --dictionary->refs > 0)
        return NULL;
    pack_dictionary_rest(dictionary);
    free(dictionary);
    return NULL;
}

uint32_t pack_dictionary_id(const PackDictionary *dictionary)
{
    return dictionary->id;
}

Bytes pack_dictionary_text(const PackDictionary *dictionary)
{
    return (Bytes){(const uint8_t *)dictionary->text, dictionary->n};
}

/* ---- packing ---- */

/* Processes eight bytes a step. The checksum has to detect torn pages and flipped bits, not
 * forgeries. */
static uint64_t sum_of(const uint8_t *p, size_t n)
{
    uint64_t sum = UINT64_C(0x9e3779b97f4a7c15) ^ n, word = 0;

    for (; n >= 8; n -= 8, p += 8) {
        memcpy(&word, p, 8);
        sum = (sum ^ word) * UINT64_C(0xff51afd7ed558ccd);
        sum ^= sum >> 32;
    }
    word = 0;
    memcpy(&word, p, n);
    sum = (sum ^ word) * UINT64_C(0xc4ceb9fe1a85ec53);
    return sum ^ sum >> 29;
}

static Packed *packed_new(size_t n)
{
    Packed *packed = mem_resize(NULL, sizeof(*packed) + n + 2);

    packed->dictionary = NULL;
    packed->n = sizeof(packed->head) + n;
    memcpy(packed->bytes + n, "\n", 2);
    return packed;
}

/* Packing changes the stream, so a copy of the dictionary's stream is used. */
static int compress(PackDictionary *dictionary, Bytes text, char *to, int room)
{
    LZ4_stream_t stream;

    if (!dictionary)
        return LZ4_compress_default((const char *)text.p, to, (int)text.n, room);
    if (!dictionary->stream) {
        dictionary->stream = mem_resize(NULL, sizeof(*dictionary->stream));
        LZ4_initStream(dictionary->stream, sizeof(*dictionary->stream));
        LZ4_loadDict(dictionary->stream, dictionary->text, (int)dictionary->n);
    }
    memcpy(&stream, dictionary->stream, sizeof(stream));
    return LZ4_compress_fast_continue(&stream, (const char *)text.p, to, (int)text.n, room, 1);
}

Packed *pack(PackDictionary *dictionary, uint32_t schema, Bytes text)
{
    static _Thread_local char *room;
    static _Thread_local size_t room_n;
    Packed *packed;
    int n = 0;

    ASSERT(text.n <= LENGTH_MAX);
    if (text.n >= PACK_MIN) {
        /* Savings of less than an eighth are not worth the time to unpack. */
        size_t wanted = text.n - text.n / 8;

        if (room_n < wanted) {
            room_n = MAX_OF(wanted, (size_t)16 * 1024);
            free(room);
            room = mem_resize(NULL, room_n);
        }
        n = compress(dictionary, text, room, (int)wanted);
    }
    packed = packed_new(n > 0 ? (size_t)n : text.n);
    memcpy(packed->bytes, n > 0 ? room : (const char *)text.p, n > 0 ? (size_t)n : text.n);
    packed->head = (PackHead){.form = n > 0 ? PACK_LZ4 : PACK_PLAIN,
                              .length = (uint32_t)text.n,
                              .schema = schema,
                              .sum = sum_of(packed->bytes, packed->n - sizeof(packed->head))};
    if (n > 0 && dictionary) {
        packed->dictionary = pack_dictionary_ref(dictionary);
        packed->head.dictionary = dictionary->id;
    }
    return packed;
}

Packed *packed_free(Packed *packed)
{
    if (packed)
        pack_dictionary_unref(packed->dictionary);
    free(packed);
    return NULL;
}

bool unpack(const Packed *packed, uint8_t *to)
{
    const char *dictionary = packed->dictionary ? packed->dictionary->text : NULL;
    int n = packed->dictionary ? (int)packed->dictionary->n : 0;
    int length = (int)packed->head.length;

    if (packed->head.form == PACK_PLAIN) {
        memcpy(to, packed->bytes, packed->head.length);
        return true;
    }
    return LZ4_decompress_safe_usingDict((const char *)packed->bytes, (char *)to,
                                         (int)(packed->n - sizeof(packed->head)), length,
                                         dictionary, n) == length;
}

Packed *packed_read(Bytes bytes, PackDictionary *(*find)(void *data, uint32_t id), void *data)
{
    PackDictionary *dictionary = NULL;
    Packed *packed;
    PackHead head;

    if (bytes.n < sizeof(head))
        return NULL;
    memcpy(&head, bytes.p, sizeof(head));
    if (head.length > LENGTH_MAX || (head.form != PACK_PLAIN && head.form != PACK_LZ4) ||
        (head.form == PACK_PLAIN && head.length != bytes.n - sizeof(head)) ||
        head.sum != sum_of(bytes.p + sizeof(head), bytes.n - sizeof(head)))
        return NULL;
    if (head.dictionary && !(dictionary = find(data, head.dictionary)))
        return NULL;
    packed = packed_new(bytes.n - sizeof(head));
    memcpy(&packed->head, bytes.p, bytes.n);
    packed->dictionary = pack_dictionary_ref(dictionary);
    return packed;
}
