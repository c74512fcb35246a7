// Every file of page/, and Chart.js as Debian installs it (libjs-chart.js, MIT: /usr/share/doc/libjs-chart.js/copyright). A test compares
// this list with the folder.
#include "Dashboard.h"

#include <stdlib.h>
#include <zlib.h>

#pragma clang diagnostic ignored "-Wc23-extensions"

static const unsigned char chart[] = {
#embed "/usr/share/javascript/chart.js/chart.min.js"
};
static const unsigned char page_api_js[] = {
#embed "page/api.js"
};
static const unsigned char page_app_js[] = {
#embed "page/app.js"
};
static const unsigned char page_charts_js[] = {
#embed "page/charts.js"
};
static const unsigned char page_common_js[] = {
#embed "page/common.js"
};
static const unsigned char page_decimal_js[] = {
#embed "page/decimal.js"
};
static const unsigned char page_dom_js[] = {
#embed "page/dom.js"
};
static const unsigned char page_drawer_js[] = {
#embed "page/drawer.js"
};
static const unsigned char page_entities_js[] = {
#embed "page/entities.js"
};
static const unsigned char page_events_js[] = {
#embed "page/events.js"
};
static const unsigned char page_favicon_svg[] = {
#embed "page/favicon.svg"
};
static const unsigned char page_figures_js[] = {
#embed "page/figures.js"
};
static const unsigned char page_health_js[] = {
#embed "page/health.js"
};
static const unsigned char page_index_html[] = {
#embed "page/index.html"
};
static const unsigned char page_overview_js[] = {
#embed "page/overview.js"
};
static const unsigned char page_price_form_js[] = {
#embed "page/price-form.js"
};
static const unsigned char page_prices_js[] = {
#embed "page/prices.js"
};
static const unsigned char page_snippets_js[] = {
#embed "page/snippets.js"
};
static const unsigned char page_sources_js[] = {
#embed "page/sources.js"
};
static const unsigned char page_state_js[] = {
#embed "page/state.js"
};
static const unsigned char page_style_css[] = {
#embed "page/style.css"
};
static const unsigned char page_table_js[] = {
#embed "page/table.js"
};
static const unsigned char page_theme_js[] = {
#embed "page/theme.js"
};
static const unsigned char page_time_js[] = {
#embed "page/time.js"
};
static const unsigned char page_what_if_js[] = {
#embed "page/what-if.js"
};

static const PurserPageFile files[] = {
    {"chart.js", chart, sizeof chart},
    {"api.js", page_api_js, sizeof page_api_js},
    {"app.js", page_app_js, sizeof page_app_js},
    {"charts.js", page_charts_js, sizeof page_charts_js},
    {"common.js", page_common_js, sizeof page_common_js},
    {"decimal.js", page_decimal_js, sizeof page_decimal_js},
    {"dom.js", page_dom_js, sizeof page_dom_js},
    {"drawer.js", page_drawer_js, sizeof page_drawer_js},
    {"entities.js", page_entities_js, sizeof page_entities_js},
    {"events.js", page_events_js, sizeof page_events_js},
    {"favicon.svg", page_favicon_svg, sizeof page_favicon_svg},
    {"figures.js", page_figures_js, sizeof page_figures_js},
    {"health.js", page_health_js, sizeof page_health_js},
    {"index.html", page_index_html, sizeof page_index_html},
    {"overview.js", page_overview_js, sizeof page_overview_js},
    {"price-form.js", page_price_form_js, sizeof page_price_form_js},
    {"prices.js", page_prices_js, sizeof page_prices_js},
    {"snippets.js", page_snippets_js, sizeof page_snippets_js},
    {"sources.js", page_sources_js, sizeof page_sources_js},
    {"state.js", page_state_js, sizeof page_state_js},
    {"style.css", page_style_css, sizeof page_style_css},
    {"table.js", page_table_js, sizeof page_table_js},
    {"theme.js", page_theme_js, sizeof page_theme_js},
    {"time.js", page_time_js, sizeof page_time_js},
    {"what-if.js", page_what_if_js, sizeof page_what_if_js},
};

size_t purser_page_count(void) { return sizeof files / sizeof files[0]; }

const PurserPageFile *purser_page_file(size_t index) { return &files[index]; }

unsigned char *purser_page_gzip(const unsigned char *bytes, size_t length, size_t *compressed) {
    z_stream stream = {0};
    // 15 bits of window, and 16 for a gzip header.
    if (deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK) return NULL;
    unsigned char *out = malloc(length);
    if (out != NULL) {
        stream.next_in = (unsigned char *)bytes;
        stream.avail_in = (uInt)length;
        stream.next_out = out;
        stream.avail_out = (uInt)length;
        // Only the end of the stream counts: without it the result would be longer than what it was made of.
        if (deflate(&stream, Z_FINISH) == Z_STREAM_END) {
            *compressed = stream.total_out;
            unsigned char *fitted = realloc(out, stream.total_out);
            out = fitted != NULL ? fitted : out;
        } else {
            free(out);
            out = NULL;
        }
    }
    deflateEnd(&stream);
    return out;
}

void purser_page_free(const void *gzip) { free((void *)gzip); }
