"""Hansen, Maddix, Alizadeh, Gupta, Mahoney: Learning Physical Models that Can Respect Conservation Laws. ICML 2023."""
