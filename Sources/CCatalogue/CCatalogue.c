// Made by make_catalogue.py. The catalogue as text, embedded in the binary: see protocol/pricing.md.
#include "CCatalogue.h"

#pragma clang diagnostic ignored "-Wc23-extensions"

static const unsigned char file0[] = {
#embed "catalogue/abliteration.txt"
};
static const unsigned char file1[] = {
#embed "catalogue/agentcore.txt"
};
static const unsigned char file2[] = {
#embed "catalogue/ai21.txt"
};
static const unsigned char file3[] = {
#embed "catalogue/aiand.txt"
};
static const unsigned char file4[] = {
#embed "catalogue/aihubmix.txt"
};
static const unsigned char file5[] = {
#embed "catalogue/aiml.txt"
};
static const unsigned char file6[] = {
#embed "catalogue/anthropic.txt"
};
static const unsigned char file7[] = {
#embed "catalogue/anyscale.txt"
};
static const unsigned char file8[] = {
#embed "catalogue/apiserpent.txt"
};
static const unsigned char file9[] = {
#embed "catalogue/arcee.txt"
};
static const unsigned char file10[] = {
#embed "catalogue/assemblyai.txt"
};
static const unsigned char file11[] = {
#embed "catalogue/avian.txt"
};
static const unsigned char file12[] = {
#embed "catalogue/aws.txt"
};
static const unsigned char file13[] = {
#embed "catalogue/aws_polly.txt"
};
static const unsigned char file14[] = {
#embed "catalogue/azure.txt"
};
static const unsigned char file15[] = {
#embed "catalogue/baseten.txt"
};
static const unsigned char file16[] = {
#embed "catalogue/bing_grounding.txt"
};
static const unsigned char file17[] = {
#embed "catalogue/black_forest_labs.txt"
};
static const unsigned char file18[] = {
#embed "catalogue/cerebras.txt"
};
static const unsigned char file19[] = {
#embed "catalogue/clf_ai_gateway.txt"
};
static const unsigned char file20[] = {
#embed "catalogue/cloudflare.txt"
};
static const unsigned char file21[] = {
#embed "catalogue/cognition.txt"
};
static const unsigned char file22[] = {
#embed "catalogue/cohere.txt"
};
static const unsigned char file23[] = {
#embed "catalogue/coralbricks.txt"
};
static const unsigned char file24[] = {
#embed "catalogue/crusoe.txt"
};
static const unsigned char file25[] = {
#embed "catalogue/cursor.txt"
};
static const unsigned char file26[] = {
#embed "catalogue/darkbloom.txt"
};
static const unsigned char file27[] = {
#embed "catalogue/dashscope.txt"
};
static const unsigned char file28[] = {
#embed "catalogue/databricks.txt"
};
static const unsigned char file29[] = {
#embed "catalogue/dataforseo.txt"
};
static const unsigned char file30[] = {
#embed "catalogue/deepgram.txt"
};
static const unsigned char file31[] = {
#embed "catalogue/deepinfra.txt"
};
static const unsigned char file32[] = {
#embed "catalogue/deepseek.txt"
};
static const unsigned char file33[] = {
#embed "catalogue/doubleword.txt"
};
static const unsigned char file34[] = {
#embed "catalogue/elevenlabs.txt"
};
static const unsigned char file35[] = {
#embed "catalogue/eu_jev.txt"
};
static const unsigned char file36[] = {
#embed "catalogue/fal_ai.txt"
};
static const unsigned char file37[] = {
#embed "catalogue/fireworks.txt"
};
static const unsigned char file38[] = {
#embed "catalogue/friendliai.txt"
};
static const unsigned char file39[] = {
#embed "catalogue/github-copilot.txt"
};
static const unsigned char file40[] = {
#embed "catalogue/gmi.txt"
};
static const unsigned char file41[] = {
#embed "catalogue/google.txt"
};
static const unsigned char file42[] = {
#embed "catalogue/google_pse.txt"
};
static const unsigned char file43[] = {
#embed "catalogue/gradient_ai.txt"
};
static const unsigned char file44[] = {
#embed "catalogue/groq.txt"
};
static const unsigned char file45[] = {
#embed "catalogue/hostinger_router.txt"
};
static const unsigned char file46[] = {
#embed "catalogue/huggingface_cerebras.txt"
};
static const unsigned char file47[] = {
#embed "catalogue/huggingface_fireworks-ai.txt"
};
static const unsigned char file48[] = {
#embed "catalogue/huggingface_groq.txt"
};
static const unsigned char file49[] = {
#embed "catalogue/huggingface_hyperbolic.txt"
};
static const unsigned char file50[] = {
#embed "catalogue/huggingface_nebius.txt"
};
static const unsigned char file51[] = {
#embed "catalogue/huggingface_novita.txt"
};
static const unsigned char file52[] = {
#embed "catalogue/huggingface_nscale.txt"
};
static const unsigned char file53[] = {
#embed "catalogue/huggingface_ovhcloud.txt"
};
static const unsigned char file54[] = {
#embed "catalogue/huggingface_publicai.txt"
};
static const unsigned char file55[] = {
#embed "catalogue/huggingface_sambanova.txt"
};
static const unsigned char file56[] = {
#embed "catalogue/huggingface_together.txt"
};
static const unsigned char file57[] = {
#embed "catalogue/hyperbolic.txt"
};
static const unsigned char file58[] = {
#embed "catalogue/inception.txt"
};
static const unsigned char file59[] = {
#embed "catalogue/inferenceapis.txt"
};
static const unsigned char file60[] = {
#embed "catalogue/jina_ai.txt"
};
static const unsigned char file61[] = {
#embed "catalogue/kyma.txt"
};
static const unsigned char file62[] = {
#embed "catalogue/lambda_ai.txt"
};
static const unsigned char file63[] = {
#embed "catalogue/libertai.txt"
};
static const unsigned char file64[] = {
#embed "catalogue/linkup.txt"
};
static const unsigned char file65[] = {
#embed "catalogue/llamagate.txt"
};
static const unsigned char file66[] = {
#embed "catalogue/meta.txt"
};
static const unsigned char file67[] = {
#embed "catalogue/minimax.txt"
};
static const unsigned char file68[] = {
#embed "catalogue/mistral.txt"
};
static const unsigned char file69[] = {
#embed "catalogue/modal.txt"
};
static const unsigned char file70[] = {
#embed "catalogue/moonshotai.txt"
};
static const unsigned char file71[] = {
#embed "catalogue/morph.txt"
};
static const unsigned char file72[] = {
#embed "catalogue/nace.txt"
};
static const unsigned char file73[] = {
#embed "catalogue/nebius.txt"
};
static const unsigned char file74[] = {
#embed "catalogue/nimble.txt"
};
static const unsigned char file75[] = {
#embed "catalogue/nlp_cloud.txt"
};
static const unsigned char file76[] = {
#embed "catalogue/novita.txt"
};
static const unsigned char file77[] = {
#embed "catalogue/nscale.txt"
};
static const unsigned char file78[] = {
#embed "catalogue/oci.txt"
};
static const unsigned char file79[] = {
#embed "catalogue/openai.txt"
};
static const unsigned char file80[] = {
#embed "catalogue/openai-decisions.txt"
};
static const unsigned char file81[] = {
#embed "catalogue/opencode_go.txt"
};
static const unsigned char file82[] = {
#embed "catalogue/openinfer.txt"
};
static const unsigned char file83[] = {
#embed "catalogue/openrouter.txt"
};
static const unsigned char file84[] = {
#embed "catalogue/ovhcloud.txt"
};
static const unsigned char file85[] = {
#embed "catalogue/parallel_ai.txt"
};
static const unsigned char file86[] = {
#embed "catalogue/perplexity.txt"
};
static const unsigned char file87[] = {
#embed "catalogue/pinstripes.txt"
};
static const unsigned char file88[] = {
#embed "catalogue/prism.txt"
};
static const unsigned char file89[] = {
#embed "catalogue/quicksilverpro.txt"
};
static const unsigned char file90[] = {
#embed "catalogue/recraft.txt"
};
static const unsigned char file91[] = {
#embed "catalogue/refuseless.txt"
};
static const unsigned char file92[] = {
#embed "catalogue/replicate.txt"
};
static const unsigned char file93[] = {
#embed "catalogue/runwayml.txt"
};
static const unsigned char file94[] = {
#embed "catalogue/sail.txt"
};
static const unsigned char file95[] = {
#embed "catalogue/sambanova.txt"
};
static const unsigned char file96[] = {
#embed "catalogue/scaledown.txt"
};
static const unsigned char file97[] = {
#embed "catalogue/scaleway.txt"
};
static const unsigned char file98[] = {
#embed "catalogue/scx-ai.txt"
};
static const unsigned char file99[] = {
#embed "catalogue/serper.txt"
};
static const unsigned char file100[] = {
#embed "catalogue/snowflake.txt"
};
static const unsigned char file101[] = {
#embed "catalogue/soniox.txt"
};
static const unsigned char file102[] = {
#embed "catalogue/stability.txt"
};
static const unsigned char file103[] = {
#embed "catalogue/streamlake.txt"
};
static const unsigned char file104[] = {
#embed "catalogue/tavily.txt"
};
static const unsigned char file105[] = {
#embed "catalogue/tencent.txt"
};
static const unsigned char file106[] = {
#embed "catalogue/tensormesh.txt"
};
static const unsigned char file107[] = {
#embed "catalogue/together.txt"
};
static const unsigned char file108[] = {
#embed "catalogue/transcribe.txt"
};
static const unsigned char file109[] = {
#embed "catalogue/typesafe.txt"
};
static const unsigned char file110[] = {
#embed "catalogue/v0.txt"
};
static const unsigned char file111[] = {
#embed "catalogue/vercel_ai_gateway.txt"
};
static const unsigned char file112[] = {
#embed "catalogue/volcengine.txt"
};
static const unsigned char file113[] = {
#embed "catalogue/voyageai.txt"
};
static const unsigned char file114[] = {
#embed "catalogue/wandb.txt"
};
static const unsigned char file115[] = {
#embed "catalogue/watsonx.txt"
};
static const unsigned char file116[] = {
#embed "catalogue/x-ai.txt"
};
static const unsigned char file117[] = {
#embed "catalogue/xiaomi_mimo.txt"
};
static const unsigned char file118[] = {
#embed "catalogue/zai.txt"
};
static const unsigned char file119[] = {
#embed "catalogue/zerogpu.txt"
};
static const unsigned char file120[] = {
#embed "catalogue/zhipuai.txt"
};
static const unsigned char file121[] = {
#embed "catalogue/DISAGREEMENTS"
};

static const PurserCatalogueFile files[] = {
    {"abliteration.txt", file0, sizeof file0},
    {"agentcore.txt", file1, sizeof file1},
    {"ai21.txt", file2, sizeof file2},
    {"aiand.txt", file3, sizeof file3},
    {"aihubmix.txt", file4, sizeof file4},
    {"aiml.txt", file5, sizeof file5},
    {"anthropic.txt", file6, sizeof file6},
    {"anyscale.txt", file7, sizeof file7},
    {"apiserpent.txt", file8, sizeof file8},
    {"arcee.txt", file9, sizeof file9},
    {"assemblyai.txt", file10, sizeof file10},
    {"avian.txt", file11, sizeof file11},
    {"aws.txt", file12, sizeof file12},
    {"aws_polly.txt", file13, sizeof file13},
    {"azure.txt", file14, sizeof file14},
    {"baseten.txt", file15, sizeof file15},
    {"bing_grounding.txt", file16, sizeof file16},
    {"black_forest_labs.txt", file17, sizeof file17},
    {"cerebras.txt", file18, sizeof file18},
    {"clf_ai_gateway.txt", file19, sizeof file19},
    {"cloudflare.txt", file20, sizeof file20},
    {"cognition.txt", file21, sizeof file21},
    {"cohere.txt", file22, sizeof file22},
    {"coralbricks.txt", file23, sizeof file23},
    {"crusoe.txt", file24, sizeof file24},
    {"cursor.txt", file25, sizeof file25},
    {"darkbloom.txt", file26, sizeof file26},
    {"dashscope.txt", file27, sizeof file27},
    {"databricks.txt", file28, sizeof file28},
    {"dataforseo.txt", file29, sizeof file29},
    {"deepgram.txt", file30, sizeof file30},
    {"deepinfra.txt", file31, sizeof file31},
    {"deepseek.txt", file32, sizeof file32},
    {"doubleword.txt", file33, sizeof file33},
    {"elevenlabs.txt", file34, sizeof file34},
    {"eu_jev.txt", file35, sizeof file35},
    {"fal_ai.txt", file36, sizeof file36},
    {"fireworks.txt", file37, sizeof file37},
    {"friendliai.txt", file38, sizeof file38},
    {"github-copilot.txt", file39, sizeof file39},
    {"gmi.txt", file40, sizeof file40},
    {"google.txt", file41, sizeof file41},
    {"google_pse.txt", file42, sizeof file42},
    {"gradient_ai.txt", file43, sizeof file43},
    {"groq.txt", file44, sizeof file44},
    {"hostinger_router.txt", file45, sizeof file45},
    {"huggingface_cerebras.txt", file46, sizeof file46},
    {"huggingface_fireworks-ai.txt", file47, sizeof file47},
    {"huggingface_groq.txt", file48, sizeof file48},
    {"huggingface_hyperbolic.txt", file49, sizeof file49},
    {"huggingface_nebius.txt", file50, sizeof file50},
    {"huggingface_novita.txt", file51, sizeof file51},
    {"huggingface_nscale.txt", file52, sizeof file52},
    {"huggingface_ovhcloud.txt", file53, sizeof file53},
    {"huggingface_publicai.txt", file54, sizeof file54},
    {"huggingface_sambanova.txt", file55, sizeof file55},
    {"huggingface_together.txt", file56, sizeof file56},
    {"hyperbolic.txt", file57, sizeof file57},
    {"inception.txt", file58, sizeof file58},
    {"inferenceapis.txt", file59, sizeof file59},
    {"jina_ai.txt", file60, sizeof file60},
    {"kyma.txt", file61, sizeof file61},
    {"lambda_ai.txt", file62, sizeof file62},
    {"libertai.txt", file63, sizeof file63},
    {"linkup.txt", file64, sizeof file64},
    {"llamagate.txt", file65, sizeof file65},
    {"meta.txt", file66, sizeof file66},
    {"minimax.txt", file67, sizeof file67},
    {"mistral.txt", file68, sizeof file68},
    {"modal.txt", file69, sizeof file69},
    {"moonshotai.txt", file70, sizeof file70},
    {"morph.txt", file71, sizeof file71},
    {"nace.txt", file72, sizeof file72},
    {"nebius.txt", file73, sizeof file73},
    {"nimble.txt", file74, sizeof file74},
    {"nlp_cloud.txt", file75, sizeof file75},
    {"novita.txt", file76, sizeof file76},
    {"nscale.txt", file77, sizeof file77},
    {"oci.txt", file78, sizeof file78},
    {"openai.txt", file79, sizeof file79},
    {"openai-decisions.txt", file80, sizeof file80},
    {"opencode_go.txt", file81, sizeof file81},
    {"openinfer.txt", file82, sizeof file82},
    {"openrouter.txt", file83, sizeof file83},
    {"ovhcloud.txt", file84, sizeof file84},
    {"parallel_ai.txt", file85, sizeof file85},
    {"perplexity.txt", file86, sizeof file86},
    {"pinstripes.txt", file87, sizeof file87},
    {"prism.txt", file88, sizeof file88},
    {"quicksilverpro.txt", file89, sizeof file89},
    {"recraft.txt", file90, sizeof file90},
    {"refuseless.txt", file91, sizeof file91},
    {"replicate.txt", file92, sizeof file92},
    {"runwayml.txt", file93, sizeof file93},
    {"sail.txt", file94, sizeof file94},
    {"sambanova.txt", file95, sizeof file95},
    {"scaledown.txt", file96, sizeof file96},
    {"scaleway.txt", file97, sizeof file97},
    {"scx-ai.txt", file98, sizeof file98},
    {"serper.txt", file99, sizeof file99},
    {"snowflake.txt", file100, sizeof file100},
    {"soniox.txt", file101, sizeof file101},
    {"stability.txt", file102, sizeof file102},
    {"streamlake.txt", file103, sizeof file103},
    {"tavily.txt", file104, sizeof file104},
    {"tencent.txt", file105, sizeof file105},
    {"tensormesh.txt", file106, sizeof file106},
    {"together.txt", file107, sizeof file107},
    {"transcribe.txt", file108, sizeof file108},
    {"typesafe.txt", file109, sizeof file109},
    {"v0.txt", file110, sizeof file110},
    {"vercel_ai_gateway.txt", file111, sizeof file111},
    {"volcengine.txt", file112, sizeof file112},
    {"voyageai.txt", file113, sizeof file113},
    {"wandb.txt", file114, sizeof file114},
    {"watsonx.txt", file115, sizeof file115},
    {"x-ai.txt", file116, sizeof file116},
    {"xiaomi_mimo.txt", file117, sizeof file117},
    {"zai.txt", file118, sizeof file118},
    {"zerogpu.txt", file119, sizeof file119},
    {"zhipuai.txt", file120, sizeof file120},
};

static const PurserCatalogueFile disagreements = {"DISAGREEMENTS", file121, sizeof file121};

size_t purser_catalogue_count(void) { return sizeof files / sizeof files[0]; }

const PurserCatalogueFile *purser_catalogue_file(size_t index) { return &files[index]; }

const PurserCatalogueFile *purser_catalogue_disagreements(void) { return &disagreements; }
