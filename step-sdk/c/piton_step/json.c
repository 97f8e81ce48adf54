/*
 * Owns JSON values in C: how they are made, read from a text, and written as one.
 * Never frees one: a component lives for one call.
 */
#include "piton_step.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The host refuses deeper documents before a step sees them. */
#define DEPTH_MAX 512

static void *allocate(size_t size) {
    void *memory = calloc(1, size);
    if (memory == NULL) abort();
    return memory;
}

static char *copy(const char *text, size_t length) {
    char *result = allocate(length + 1);
    memcpy(result, text, length);
    return result;
}

static piton_json *make(piton_kind kind) {
    piton_json *value = allocate(sizeof *value);
    value->kind = kind;
    return value;
}

piton_json *piton_null(void) { return make(PITON_NULL); }

piton_json *piton_boolean_of(bool boolean) {
    piton_json *value = make(PITON_BOOLEAN);
    value->boolean = boolean;
    return value;
}

piton_json *piton_integer_of(long long number) {
    piton_json *value = make(PITON_NUMBER);
    value->text = piton_format("%lld", number);
    return value;
}

piton_json *piton_number_of(double number) {
    /* JSON has no form for these two. */
    if (isnan(number) || isinf(number)) return piton_null();
    piton_json *value = make(PITON_NUMBER);
    value->text = piton_format("%.17g", number);
    return value;
}

piton_json *piton_text_of(const char *text) {
    piton_json *value = make(PITON_TEXT);
    value->text = copy(text, strlen(text));
    return value;
}

piton_json *piton_list(void) { return make(PITON_LIST); }

piton_json *piton_object(void) { return make(PITON_OBJECT); }

piton_json *piton_add(piton_json *list, piton_json *item) {
    /* A copy of the head, so that one value can be a part of several. */
    piton_json *part = make(PITON_NULL);
    *part = item == NULL ? *piton_null() : *item;
    part->next = NULL;
    part->name = NULL;
    if (list->last == NULL) list->first = part;
    else list->last->next = part;
    list->last = part;
    return list;
}

piton_json *piton_set(piton_json *object, const char *name, piton_json *value) {
    piton_json *old = piton_get(object, name);
    if (old != NULL) {
        piton_json *next = old->next;
        const char *same = old->name;
        *old = value == NULL ? *piton_null() : *value;
        old->next = next;
        old->name = same;
        return object;
    }
    piton_add(object, value);
    object->last->name = copy(name, strlen(name));
    return object;
}

piton_json *piton_get(const piton_json *object, const char *name) {
    if (object == NULL || object->kind != PITON_OBJECT) return NULL;
    for (piton_json *field = object->first; field != NULL; field = field->next) {
        if (strcmp(field->name, name) == 0) return field;
    }
    return NULL;
}

size_t piton_count(const piton_json *value) {
    size_t count = 0;
    for (piton_json *part = value->first; part != NULL; part = part->next) count++;
    return count;
}

/* Fields that must be there. */

static const char *NAMES[] = {"null", "true or false", "a number", "a text", "a list", "an object"};

static const piton_json *need(const piton_json *object, const char *name, piton_kind kind) {
    if (piton_failed()) return NULL;
    const piton_json *field = piton_get(object, name);
    if (object == NULL || object->kind != PITON_OBJECT) {
        piton_permanent("bad-input", "the input must be an object, and is %s",
                        object == NULL ? "missing" : NAMES[object->kind]);
    } else if (field == NULL) {
        piton_permanent("bad-input", "missing field `%s`", name);
    } else if (field->kind != kind) {
        piton_permanent("bad-input", "field `%s` must be %s, and is %s", name, NAMES[kind],
                        NAMES[field->kind]);
    } else {
        return field;
    }
    piton_clean();
    return NULL;
}

const char *piton_text(const piton_json *object, const char *name) {
    const piton_json *field = need(object, name, PITON_TEXT);
    return field == NULL ? "" : field->text;
}

long long piton_integer(const piton_json *object, const char *name) {
    const piton_json *field = need(object, name, PITON_NUMBER);
    if (field == NULL) return 0;
    char *end;
    long long value = strtoll(field->text, &end, 10);
    if (*end == 0) return value;
    piton_permanent("bad-input", "field `%s` must be a whole number, and is %s", name, field->text);
    piton_clean();
    return 0;
}

double piton_number(const piton_json *object, const char *name) {
    const piton_json *field = need(object, name, PITON_NUMBER);
    return field == NULL ? 0 : strtod(field->text, NULL);
}

bool piton_boolean(const piton_json *object, const char *name) {
    const piton_json *field = need(object, name, PITON_BOOLEAN);
    return field != NULL && field->boolean;
}

/* Writing. */

typedef struct {
    char *text;
    size_t length;
    size_t room;
} buffer;

static void put(buffer *out, const char *text, size_t length) {
    if (out->length + length + 1 > out->room) {
        out->room = (out->length + length + 1) * 2;
        out->text = realloc(out->text, out->room);
        if (out->text == NULL) abort();
    }
    memcpy(out->text + out->length, text, length);
    out->length += length;
    out->text[out->length] = 0;
}

static void put_text(buffer *out, const char *text) {
    put(out, "\"", 1);
    for (const char *at = text; *at != 0; at++) {
        unsigned char byte = (unsigned char)*at;
        if (byte == '"' || byte == '\\') {
            char pair[] = {'\\', *at};
            put(out, pair, 2);
        } else if (byte < 0x20) {
            char escape[8];
            int length = snprintf(escape, sizeof escape, "\\u%04x", byte);
            put(out, escape, (size_t)length);
        } else {
            put(out, at, 1);
        }
    }
    put(out, "\"", 1);
}

static void put_value(buffer *out, const piton_json *value) {
    if (value == NULL || value->kind == PITON_NULL) {
        put(out, "null", 4);
    } else if (value->kind == PITON_BOOLEAN) {
        if (value->boolean) put(out, "true", 4);
        else put(out, "false", 5);
    } else if (value->kind == PITON_NUMBER) {
        put(out, value->text, strlen(value->text));
    } else if (value->kind == PITON_TEXT) {
        put_text(out, value->text);
    } else {
        bool is_object = value->kind == PITON_OBJECT;
        put(out, is_object ? "{" : "[", 1);
        for (piton_json *part = value->first; part != NULL; part = part->next) {
            if (part != value->first) put(out, ",", 1);
            if (is_object) {
                put_text(out, part->name);
                put(out, ":", 1);
            }
            put_value(out, part);
        }
        put(out, is_object ? "}" : "]", 1);
    }
}

char *piton_write(const piton_json *value) {
    buffer out = {0};
    put_value(&out, value);
    return out.text;
}

/* Reading. */

typedef struct {
    const char *at;
    const char *problem;
    int depth;
} reader;

static piton_json *read_value(reader *in);

static void skip_space(reader *in) {
    while (*in->at == ' ' || *in->at == '\t' || *in->at == '\n' || *in->at == '\r') in->at++;
}

static void *complain(reader *in, const char *problem) {
    if (in->problem == NULL) in->problem = problem;
    return NULL;
}

static bool read_word(reader *in, const char *word) {
    size_t length = strlen(word);
    if (strncmp(in->at, word, length) != 0) return false;
    in->at += length;
    return true;
}

static long read_hex(reader *in) {
    long value = 0;
    for (int digit = 0; digit < 4; digit++) {
        char c = *in->at;
        if (!isxdigit((unsigned char)c)) return -1;
        value = value * 16 + (c <= '9' ? c - '0' : (c | 32) - 'a' + 10);
        in->at++;
    }
    return value;
}

static void put_character(buffer *out, long c) {
    char bytes[4];
    size_t length = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    static const unsigned char LEADS[] = {0, 0x00, 0xC0, 0xE0, 0xF0};
    for (size_t byte = length - 1; byte > 0; byte--) {
        bytes[byte] = (char)(0x80 | (c & 0x3F));
        c >>= 6;
    }
    bytes[0] = (char)(LEADS[length] | c);
    put(out, bytes, length);
}

static bool read_escape(reader *in, buffer *out) {
    static const char FROM[] = "\"\\/bfnrt", TO[] = "\"\\/\b\f\n\r\t";
    char c = *in->at++;
    if (c == 'u') {
        long character = read_hex(in);
        if (character >= 0xD800 && character < 0xDC00 && in->at[0] == '\\' && in->at[1] == 'u') {
            in->at += 2;
            long low = read_hex(in);
            if (low < 0xDC00 || low > 0xDFFF) return false;
            character = 0x10000 + ((character - 0xD800) << 10) + (low - 0xDC00);
        }
        if (character < 0) return false;
        /* Half of a pair has no form in UTF-8. */
        if (character >= 0xD800 && character < 0xE000) character = 0xFFFD;
        put_character(out, character);
        return true;
    }
    const char *found = c == 0 ? NULL : strchr(FROM, c);
    if (found == NULL) return false;
    put(out, TO + (found - FROM), 1);
    return true;
}

static const char *read_text(reader *in) {
    buffer out = {0};
    put(&out, "", 0);
    in->at++;
    while (*in->at != '"') {
        if ((unsigned char)*in->at < 0x20) return complain(in, "a text does not end");
        if (*in->at == '\\') {
            in->at++;
            if (!read_escape(in, &out)) return complain(in, "an escape that JSON does not have");
        } else {
            size_t length = strcspn(in->at, "\"\\");
            put(&out, in->at, length);
            in->at += length;
        }
    }
    in->at++;
    return out.text;
}

static piton_json *read_number(reader *in) {
    const char *start = in->at;
    in->at += strspn(in->at, "+-.0123456789eE");
    char *text = copy(start, (size_t)(in->at - start)), *end;
    strtod(text, &end);
    if (end == text || *end != 0) return complain(in, "no JSON value");
    piton_json *value = make(PITON_NUMBER);
    value->text = text;
    return value;
}

static piton_json *read_parts(reader *in, bool is_object) {
    piton_json *value = is_object ? piton_object() : piton_list();
    char end = is_object ? '}' : ']';
    if (++in->depth > DEPTH_MAX) return complain(in, "it is too deep");
    in->at++;
    skip_space(in);
    if (*in->at == end) {
        in->at++;
        in->depth--;
        return value;
    }
    for (;;) {
        const char *name = NULL;
        skip_space(in);
        if (is_object) {
            if (*in->at != '"') return complain(in, "a field has no name");
            name = read_text(in);
            skip_space(in);
            if (name == NULL || *in->at++ != ':') return complain(in, "a field has no value");
        }
        piton_json *part = read_value(in);
        if (part == NULL) return NULL;
        /* As other readers do, the last of two fields with one name stays. */
        if (is_object) piton_set(value, name, part);
        else piton_add(value, part);
        skip_space(in);
        char next = *in->at++;
        if (next == end) break;
        if (next != ',') return complain(in, is_object ? "an object does not end" : "a list does not end");
    }
    in->depth--;
    return value;
}

static piton_json *read_value(reader *in) {
    skip_space(in);
    switch (*in->at) {
    case '{': return read_parts(in, true);
    case '[': return read_parts(in, false);
    case '"': {
        const char *text = read_text(in);
        if (text == NULL) return NULL;
        piton_json *value = make(PITON_TEXT);
        value->text = text;
        return value;
    }
    default:
        if (read_word(in, "null")) return piton_null();
        if (read_word(in, "true")) return piton_boolean_of(true);
        if (read_word(in, "false")) return piton_boolean_of(false);
        return read_number(in);
    }
}

piton_json *piton_read(const char *text, const char **problem) {
    reader in = {text, NULL, 0};
    piton_json *value = read_value(&in);
    skip_space(&in);
    if (value != NULL && *in.at != 0) complain(&in, "something follows the value");
    if (problem != NULL) *problem = in.problem;
    return in.problem == NULL ? value : NULL;
}
