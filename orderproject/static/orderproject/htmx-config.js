// htmx would add a <style> and evaluate code in attributes; the Content-Security-Policy allows neither, and no page needs them.
htmx.config.includeIndicatorStyles = false;
htmx.config.allowEval = false;
