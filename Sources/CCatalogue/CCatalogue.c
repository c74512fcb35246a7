// Made by make_catalogue.py. The catalogue as text, embedded in the binary: see protocol/pricing.md.
#include "CCatalogue.h"

#pragma clang diagnostic ignored "-Wc23-extensions"

static const unsigned char file0[] = {
#embed "catalogue/anthropic.txt"
};
static const unsigned char file1[] = {
#embed "catalogue/arcee.txt"
};
static const unsigned char file2[] = {
#embed "catalogue/avian.txt"
};
static const unsigned char file3[] = {
#embed "catalogue/aws.txt"
};
static const unsigned char file4[] = {
#embed "catalogue/azure.txt"
};
static const unsigned char file5[] = {
#embed "catalogue/baseten.txt"
};
static const unsigned char file6[] = {
#embed "catalogue/cerebras.txt"
};
static const unsigned char file7[] = {
#embed "catalogue/cloudflare.txt"
};
static const unsigned char file8[] = {
#embed "catalogue/cohere.txt"
};
static const unsigned char file9[] = {
#embed "catalogue/cursor.txt"
};
static const unsigned char file10[] = {
#embed "catalogue/dashscope.txt"
};
static const unsigned char file11[] = {
#embed "catalogue/databricks.txt"
};
static const unsigned char file12[] = {
#embed "catalogue/deepseek.txt"
};
static const unsigned char file13[] = {
#embed "catalogue/doubleword.txt"
};
static const unsigned char file14[] = {
#embed "catalogue/elevenlabs.txt"
};
static const unsigned char file15[] = {
#embed "catalogue/fireworks.txt"
};
static const unsigned char file16[] = {
#embed "catalogue/github-copilot.txt"
};
static const unsigned char file17[] = {
#embed "catalogue/google.txt"
};
static const unsigned char file18[] = {
#embed "catalogue/groq.txt"
};
static const unsigned char file19[] = {
#embed "catalogue/huggingface_cerebras.txt"
};
static const unsigned char file20[] = {
#embed "catalogue/huggingface_fireworks-ai.txt"
};
static const unsigned char file21[] = {
#embed "catalogue/huggingface_groq.txt"
};
static const unsigned char file22[] = {
#embed "catalogue/huggingface_hyperbolic.txt"
};
static const unsigned char file23[] = {
#embed "catalogue/huggingface_nebius.txt"
};
static const unsigned char file24[] = {
#embed "catalogue/huggingface_novita.txt"
};
static const unsigned char file25[] = {
#embed "catalogue/huggingface_nscale.txt"
};
static const unsigned char file26[] = {
#embed "catalogue/huggingface_ovhcloud.txt"
};
static const unsigned char file27[] = {
#embed "catalogue/huggingface_publicai.txt"
};
static const unsigned char file28[] = {
#embed "catalogue/huggingface_sambanova.txt"
};
static const unsigned char file29[] = {
#embed "catalogue/huggingface_together.txt"
};
static const unsigned char file30[] = {
#embed "catalogue/meta.txt"
};
static const unsigned char file31[] = {
#embed "catalogue/minimax.txt"
};
static const unsigned char file32[] = {
#embed "catalogue/mistral.txt"
};
static const unsigned char file33[] = {
#embed "catalogue/modal.txt"
};
static const unsigned char file34[] = {
#embed "catalogue/moonshotai.txt"
};
static const unsigned char file35[] = {
#embed "catalogue/novita.txt"
};
static const unsigned char file36[] = {
#embed "catalogue/openai.txt"
};
static const unsigned char file37[] = {
#embed "catalogue/openai-decisions.txt"
};
static const unsigned char file38[] = {
#embed "catalogue/openrouter.txt"
};
static const unsigned char file39[] = {
#embed "catalogue/ovhcloud.txt"
};
static const unsigned char file40[] = {
#embed "catalogue/perplexity.txt"
};
static const unsigned char file41[] = {
#embed "catalogue/quicksilverpro.txt"
};
static const unsigned char file42[] = {
#embed "catalogue/together.txt"
};
static const unsigned char file43[] = {
#embed "catalogue/typesafe.txt"
};
static const unsigned char file44[] = {
#embed "catalogue/voyageai.txt"
};
static const unsigned char file45[] = {
#embed "catalogue/x-ai.txt"
};
static const unsigned char file46[] = {
#embed "catalogue/zai.txt"
};
static const unsigned char file47[] = {
#embed "catalogue/zhipuai.txt"
};

static const PurserCatalogueFile files[] = {
    {"anthropic.txt", file0, sizeof file0},
    {"arcee.txt", file1, sizeof file1},
    {"avian.txt", file2, sizeof file2},
    {"aws.txt", file3, sizeof file3},
    {"azure.txt", file4, sizeof file4},
    {"baseten.txt", file5, sizeof file5},
    {"cerebras.txt", file6, sizeof file6},
    {"cloudflare.txt", file7, sizeof file7},
    {"cohere.txt", file8, sizeof file8},
    {"cursor.txt", file9, sizeof file9},
    {"dashscope.txt", file10, sizeof file10},
    {"databricks.txt", file11, sizeof file11},
    {"deepseek.txt", file12, sizeof file12},
    {"doubleword.txt", file13, sizeof file13},
    {"elevenlabs.txt", file14, sizeof file14},
    {"fireworks.txt", file15, sizeof file15},
    {"github-copilot.txt", file16, sizeof file16},
    {"google.txt", file17, sizeof file17},
    {"groq.txt", file18, sizeof file18},
    {"huggingface_cerebras.txt", file19, sizeof file19},
    {"huggingface_fireworks-ai.txt", file20, sizeof file20},
    {"huggingface_groq.txt", file21, sizeof file21},
    {"huggingface_hyperbolic.txt", file22, sizeof file22},
    {"huggingface_nebius.txt", file23, sizeof file23},
    {"huggingface_novita.txt", file24, sizeof file24},
    {"huggingface_nscale.txt", file25, sizeof file25},
    {"huggingface_ovhcloud.txt", file26, sizeof file26},
    {"huggingface_publicai.txt", file27, sizeof file27},
    {"huggingface_sambanova.txt", file28, sizeof file28},
    {"huggingface_together.txt", file29, sizeof file29},
    {"meta.txt", file30, sizeof file30},
    {"minimax.txt", file31, sizeof file31},
    {"mistral.txt", file32, sizeof file32},
    {"modal.txt", file33, sizeof file33},
    {"moonshotai.txt", file34, sizeof file34},
    {"novita.txt", file35, sizeof file35},
    {"openai.txt", file36, sizeof file36},
    {"openai-decisions.txt", file37, sizeof file37},
    {"openrouter.txt", file38, sizeof file38},
    {"ovhcloud.txt", file39, sizeof file39},
    {"perplexity.txt", file40, sizeof file40},
    {"quicksilverpro.txt", file41, sizeof file41},
    {"together.txt", file42, sizeof file42},
    {"typesafe.txt", file43, sizeof file43},
    {"voyageai.txt", file44, sizeof file44},
    {"x-ai.txt", file45, sizeof file45},
    {"zai.txt", file46, sizeof file46},
    {"zhipuai.txt", file47, sizeof file47},
};

size_t purser_catalogue_count(void) { return sizeof files / sizeof files[0]; }

const PurserCatalogueFile *purser_catalogue_file(size_t index) { return &files[index]; }
